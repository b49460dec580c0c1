import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import type { DueSession } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionStore } from './session-store.ts';

const TAKE = loadScript('take_due');
const SETTLE = loadScript('settle_due');

/** How long a session that was taken is left alone: who took it acts, or somebody else does. */
const TAKEN_MS = 5000;

export interface DueSessionsOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  store: Pick<SessionStore, 'read'>;
  timings: Timings;
  clock: () => string;
}

/**
 * Which sessions are due. Their place in the index is never later than their deadline: activity moves a deadline without
 * a word to the index, and who looks at the session puts it where it belongs.
 */
export class DueSessions {
  readonly #options: DueSessionsOptions;

  constructor(options: DueSessionsOptions) {
    this.#options = options;
  }

  async take(limit: number, partitions: readonly number[]): Promise<DueSession[]> {
    const due: DueSession[] = [];
    // All partitions at once: nearly all of them have nothing.
    const lists = await Promise.all(partitions.map(async (partition) => this.#taken(partition, limit)));
    for (const [index, sessionIds] of lists.entries()) {
      const partition = partitions[index] ?? 0;
      for (const sessionId of sessionIds) {
        if (due.length >= limit) await this.#giveBack(partition, sessionId);
        else due.push(...(await this.#look(partition, sessionId)));
      }
    }
    return due;
  }

  async #taken(partition: number, limit: number): Promise<string[]> {
    const { redis, keys, clock } = this.#options;
    const { due } = keys.partition(partition);
    const [, ...sessionIds] = arrayOf(await redis.run(TAKE, [due], [clock(), String(limit), String(TAKEN_MS)]));
    return sessionIds.map(textOf);
  }

  /** Its deadline, if it has come; otherwise the session is put where it belongs. */
  async #look(partition: number, sessionId: string): Promise<DueSession[]> {
    const { store, timings } = this.#options;
    const held = await store.read(sessionId);
    const deadline =
      held === null
        ? null
        : nextDeadline(
            held.snapshot.document,
            { lastActivityAt: held.snapshot.lastActivityAt, idleWarned: held.idleWarned },
            timings,
          );
    if (held === null || deadline === null) {
      await this.#place(partition, sessionId, Number.MAX_SAFE_INTEGER, '');
      return [];
    }
    if (deadline.at > held.now) {
      await this.#place(partition, sessionId, deadline.at, '');
      return [];
    }
    if (deadline.kind !== 'warn') return [{ sessionId, deadline }];
    const { lastActivityAt, document } = held.snapshot;
    const next = nextDeadline(document, { lastActivityAt, idleWarned: true }, timings);
    const isWarned = await this.#place(partition, sessionId, next?.at ?? deadline.closesAt, String(lastActivityAt));
    return isWarned ? [{ sessionId, deadline }] : [];
  }

  async #giveBack(partition: number, sessionId: string): Promise<void> {
    await this.#place(partition, sessionId, 0, '');
  }

  async #place(partition: number, sessionId: string, at: number, warnedUpon: string): Promise<boolean> {
    const { redis, keys } = this.#options;
    const names = [keys.partition(partition).due, keys.session(sessionId).flat];
    return numberOf(await redis.run(SETTLE, names, [sessionId, String(at), warnedUpon])) === 1;
  }
}
