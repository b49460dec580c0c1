import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import type { DueSession } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import { isUnavailable } from './client-errors.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';
import { lifeOf, type HeldSession, type SessionStore } from './session-store.ts';
import { waitingPartitions } from './waiting-partitions.ts';

const TAKE = loadScript('take_due');
const SETTLE = loadScript('settle_due');

/** How long a session that was taken is left alone: who took it acts, or somebody else does. */
const TAKEN_MS = 5000;

export interface DueSessionsOptions {
  redis: Pick<Redis, 'kind' | 'run'>;
  keys: Keys;
  store: Pick<SessionStore, 'read'>;
  timings: Timings;
  clock: () => string;
  /** A session that cannot be read is reported, and comes again; the others go on. */
  onFault: (error: unknown) => void;
}

/**
 * Which sessions are due. Their place in the index is never later than their deadline: activity moves a deadline without
 * a word to the index, and who looks at the session puts it where it belongs.
 */
export class DueSessions {
  readonly #options: DueSessionsOptions;
  #turn = 0;

  constructor(options: DueSessionsOptions) {
    this.#options = options;
  }

  /** No more are taken than are handed out, and those that turn out not to be due make room for others. */
  async take(limit: number, partitions: readonly number[]): Promise<DueSession[]> {
    const { redis, keys, clock } = this.#options;
    const due: DueSession[] = [];
    const indexOf = (partition: number) => keys.partition(partition).due;
    let waiting = await waitingPartitions(redis, this.#inTurn(partitions), indexOf, clock());
    while (waiting.length > 0 && due.length < limit) {
      const room = limit - due.length;
      const asked = waiting.slice(0, room);
      const each = Math.floor(room / asked.length);
      const lists = await Promise.all(asked.map(async (partition) => this.#taken(partition, each)));
      const looks = lists.flatMap((list, index) => list.map((sessionId) => this.#look(asked[index] ?? 0, sessionId)));
      for (const result of await Promise.allSettled(looks)) {
        if (result.status === 'fulfilled') due.push(...result.value);
        else if (isUnavailable(result.reason)) throw result.reason;
        else this.#options.onFault(result.reason);
      }
      const mayHaveMore = asked.filter((_, index) => lists[index]?.length === each);
      waiting = [...waiting.slice(room), ...mayHaveMore];
    }
    return due;
  }

  /** Each time another one comes first: with more of them than there is room, all come to their turn. */
  #inTurn(partitions: readonly number[]): readonly number[] {
    if (partitions.length === 0) return partitions;
    this.#turn = (this.#turn + 1) % partitions.length;
    return [...partitions.slice(this.#turn), ...partitions.slice(0, this.#turn)];
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
    const deadline = held === null ? null : nextDeadline(held.snapshot.document, activityOf(held), timings);
    if (held === null || deadline === null) {
      await this.#place(partition, sessionId, held, { at: '' });
      return [];
    }
    if (deadline.at > held.now) {
      await this.#place(partition, sessionId, held, { at: String(deadline.at) });
      return [];
    }
    if (deadline.kind !== 'warn') return [{ sessionId, deadline }];
    const { lastActivityAt, document } = held.snapshot;
    const next = nextDeadline(document, { lastActivityAt, idleWarned: true }, timings);
    const at = String(next?.at ?? deadline.closesAt);
    const isWarned = await this.#place(partition, sessionId, held, { at, warnedUpon: String(lastActivityAt) });
    return isWarned ? [{ sessionId, deadline }] : [];
  }

  async #place(
    partition: number,
    sessionId: string,
    held: HeldSession | null,
    { at, warnedUpon = '' }: { at: string; warnedUpon?: string },
  ): Promise<boolean> {
    const { redis, keys, timings } = this.#options;
    const { due, held: heldKey } = keys.partition(partition);
    const { flat, document, log } = keys.session(sessionId);
    const args = [String(held?.version ?? 0), held?.idleWarned === true ? '1' : '0', warnedUpon, lifeOf(timings)];
    const reply = await redis.run(SETTLE, [due, flat, document, log, heldKey], [sessionId, at, ...args.map(String)]);
    return numberOf(reply) === 1;
  }
}

function activityOf({ snapshot: { lastActivityAt }, idleWarned }: HeldSession) {
  return { lastActivityAt, idleWarned };
}
