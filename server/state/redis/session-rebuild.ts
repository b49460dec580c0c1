import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { DurableStore, StoredSend, StoredSession } from '../../sessions/ports.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import { encodeDocument } from './document-text.ts';
import type { Keys } from './keys.ts';
import { numberOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionNames } from './session-names.ts';
import { changedCounts, heldBy, lifeOf, type SessionStore } from './session-store.ts';

const RESTORE = loadScript('restore_session');

/** Ids of sends that are remembered again: as many as a busy session has in the retry horizon. */
const MAX_SENDS = 20_000;
const TRIES = 10;
/** Connections of the lost epoch count on from a number below: none of theirs is ever given again. */
const GENERATIONS_OF_EPOCH = 1_000_000;

export interface SessionRebuildOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  durable: Pick<DurableStore, 'raiseEpoch' | 'loadSession' | 'recentSends'>;
  store: Pick<SessionStore, 'read'>;
  names: Pick<SessionNames, 'claimCode' | 'rememberKey'>;
  /** Archives what Redis still has of a session; false when that did not work. */
  archive: (sessionId: string) => Promise<boolean>;
  timings: Timings;
  retryHorizonMs: number;
  clock: () => string;
  now: () => number;
}

/**
 * Puts sessions that Redis has lost, or lost a part of, back from the archive, under a new epoch. The epoch is begun in
 * Postgres, so of all who notice the same loss one begins it; whatever they still write under the old one is refused.
 */
export class SessionRebuild {
  readonly #options: SessionRebuildOptions;
  readonly #running = new Map<string, Promise<boolean>>();

  constructor(options: SessionRebuildOptions) {
    this.#options = options;
  }

  /**
   * `lostEpoch`: the epoch of which something is lost; null when the caller knows of none. False when the archive has
   * no such open session. Rejects with `UNAVAILABLE`.
   */
  rebuild(sessionId: string, lostEpoch: number | null): Promise<boolean> {
    let running = this.#running.get(sessionId);
    if (running === undefined) {
      running = this.#rebuild(sessionId, lostEpoch).finally(() => this.#running.delete(sessionId));
      this.#running.set(sessionId, running);
    }
    return running;
  }

  async #rebuild(sessionId: string, lostEpoch: number | null): Promise<boolean> {
    const { durable, now } = this.#options;
    // What Redis still has was acknowledged too; what contradicts the archive is what its senders send again.
    if (lostEpoch !== null) await this.#options.archive(sessionId);
    // Somebody else has put it back since it was missed.
    else if ((await this.#options.store.read(sessionId)) !== null) return true;
    const known = lostEpoch ?? (await durable.loadSession(sessionId, now()))?.document.epoch ?? null;
    if (known === null || (await durable.raiseEpoch(sessionId, known)) === null) return false;
    const stored = await durable.loadSession(sessionId, now());
    if (stored === null || stored.document.closed !== null) return false;
    const sends = await durable.recentSends(sessionId, now() - this.#options.retryHorizonMs, MAX_SENDS);
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      if (await this.#restore(stored, sends)) break;
    }
    await this.#restoreNames(stored.document);
    return true;
  }

  /** True when the session stands under this epoch or a later one. */
  async #restore(stored: StoredSession, sends: readonly StoredSend[]): Promise<boolean> {
    const { redis, keys, store, timings, retryHorizonMs, clock } = this.#options;
    const { epoch, id } = stored.document;
    const left = await store.read(id);
    const document: SessionDocument = {
      ...stored.document,
      seats: stored.document.seats.map((seat) => ({ ...seat, generation: epoch * GENERATIONS_OF_EPOCH })),
    };
    const session = keys.session(id);
    const partition = keys.partitionOf(id);
    const deadline = nextDeadline(document, { lastActivityAt: stored.lastActivityAt, idleWarned: false }, timings);
    const reply = await redis.run(
      RESTORE,
      [
        ...[session.document, session.flat, session.log, partition.due, partition.unarchived, partition.counts],
        ...[session.ended, partition.held, session.sends],
      ],
      [
        ...[clock(), String(epoch), encodeDocument(document), String(lifeOf(timings)), String(deadline?.at ?? 0)],
        JSON.stringify(flatOf(document, stored)),
        JSON.stringify(changedCounts(left?.snapshot.document ?? null, document)),
        JSON.stringify(sends.map(sendOf)),
        ...[String(retryHorizonMs), id, String(left?.version ?? 0)],
        JSON.stringify([...heldBy(left?.snapshot.document ?? null)]),
      ],
    );
    return numberOf(reply) !== -1;
  }

  async #restoreNames({ id, code, seats }: SessionDocument): Promise<void> {
    const { names, now, retryHorizonMs } = this.#options;
    if (code !== null && code.expiresAt > now()) await names.claimCode(id, code);
    for (const { key } of seats) {
      if (key !== null && now() < key.at + retryHorizonMs) await names.rememberKey(id, key.hash);
    }
  }
}

function flatOf(document: SessionDocument, { lastSeq, lastActivityAt, receipts }: StoredSession): string[] {
  const seq = String(lastSeq);
  const fields = ['open', '1', 'epoch', String(document.epoch), 'inst', '', 'v', '1', 'seq', seq, 'dseq', seq];
  fields.push('act', String(lastActivityAt), 'warned', '0');
  for (const { id, generation } of document.seats) fields.push(`seat:${id}`, String(generation));
  for (const [seatId, { delivered, read }] of receipts) fields.push(`r:${seatId}`, `${delivered} ${read}`);
  return fields;
}

function sendOf({ participantId, id, sentAt, seq, type, bodyJson }: StoredSend): [string, number, number, string] {
  return [`${participantId}:${id}`, sentAt, seq, fingerprintOf(type, bodyJson)];
}
