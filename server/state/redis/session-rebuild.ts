import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../../../protocol/errors.ts';
import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { ArchiveOutcome, DurableStore, StoredSend, StoredSession } from '../../sessions/ports.ts';
import { GENERATIONS_OF_EPOCH, SERVER, type SessionDocument } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import { encodeDocument } from './document-text.ts';
import type { Keys } from './keys.ts';
import { numberOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionNames } from './session-names.ts';
import { changedCounts, heldBy, lifeOf, type SessionStore } from './session-store.ts';
import { asideOf } from './unarchived.ts';

const RESTORE = loadScript('restore_session');
const FENCE = loadScript('fence_session');

/** Ids of sends that are remembered again: as many as a busy session has in the retry horizon. */
const MAX_SENDS = 20_000;
const TRIES = 10;
/** More than can be at it. */
const MOST_REBUILDERS = 1_000_000;
/** A closed session stays for reading, and so long on top for clocks that differ. */
const CLOSED_SPARE_MS = 60_000;
/** Another instance that has begun an epoch in Postgres has put it into Redis by then, or has failed. */
const COMING_MS = 1000;
const LOOK_AGAIN_MS = 25;

/** What the session is now that it was put back; `gone`: the archive has none that anybody may still come back to. */
export type Rebuilt = 'open' | 'closed' | 'gone';

export interface SessionRebuildOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  durable: Pick<DurableStore, 'raiseEpoch' | 'loadSession' | 'recentSends'>;
  store: Pick<SessionStore, 'read'>;
  names: Pick<SessionNames, 'claimCode' | 'rememberKey'>;
  /** Archives what Redis still has of a session. */
  archive: (sessionId: string) => Promise<ArchiveOutcome>;
  timings: Timings;
  retryHorizonMs: number;
  clock: () => string;
  now: () => number;
}

/**
 * Puts sessions that Redis has lost, or lost a part of, back from the archive, under a new epoch. The epoch is begun in
 * Postgres, so of all who notice the same loss one begins it; whatever they still write under the old one is refused.
 * A closed one goes on under its own, for reading and for what is sent again: nothing of it can change any more.
 */
export class SessionRebuild {
  readonly #options: SessionRebuildOptions;
  readonly #running = new Map<string, { readonly lostEpoch: number | null; readonly rebuilt: Promise<Rebuilt> }>();

  constructor(options: SessionRebuildOptions) {
    this.#options = options;
  }

  /**
   * `lostEpoch`: the latest epoch that the caller knows something lost of; null when Redis has nothing, and the caller
   * knows of nothing. Leaves alone what stands under a later one. Rejects with `UNAVAILABLE`.
   */
  rebuild(sessionId: string, lostEpoch: number | null): Promise<Rebuilt> {
    const running = this.#running.get(sessionId);
    if (running !== undefined) {
      if (lostEpoch === null || (running.lostEpoch ?? lostEpoch) >= lostEpoch) return running.rebuilt;
      // What is under way may end in the very epoch of which something is lost.
      return running.rebuilt.catch(() => undefined).then(() => this.rebuild(sessionId, lostEpoch));
    }
    const rebuilt = this.#rebuild(sessionId, lostEpoch).finally(() => this.#running.delete(sessionId));
    this.#running.set(sessionId, { lostEpoch, rebuilt });
    return rebuilt;
  }

  async #rebuild(sessionId: string, lostEpoch: number | null): Promise<Rebuilt> {
    const { durable, now, store } = this.#options;
    const held = (await store.read(sessionId))?.snapshot.document ?? null;
    // Somebody else has put it back since it was missed.
    if (held !== null && held.epoch > (lostEpoch ?? 0)) return stateOf(held);
    const archived = (await durable.loadSession(sessionId, now()))?.document ?? null;
    // What Redis still has of the latest epoch was acknowledged too; what contradicts the archive, and what was of an
    // epoch before, is what its senders send again.
    const isLatest = held !== null && held.epoch === (archived?.epoch ?? held.epoch);
    // Another has put it back since it was looked at.
    if (isLatest && !(await this.#archive(sessionId, held.epoch))) return this.#rebuild(sessionId, lostEpoch);
    const known = archived?.epoch ?? held?.epoch ?? null;
    if (known === null) return 'gone';
    if (lostEpoch !== null && known > lostEpoch && archived?.closed === null) {
      // Another one is putting it back because of the same loss; or that was done long ago, and is lost, too.
      const coming = await this.#coming(sessionId, known);
      if (coming !== null) return stateOf(coming);
    }
    const rebuilt = await this.#replace(sessionId, known);
    // Where the epoch is the same, as that of a closed one. What nobody can put back is as it is for good.
    if (isLatest) await this.#fence(sessionId, held.epoch, rebuilt === 'gone' ? -MOST_REBUILDERS : -1);
    return rebuilt;
  }

  async #replace(sessionId: string, known: number): Promise<Rebuilt> {
    const { durable, now, retryHorizonMs } = this.#options;
    // Above all that anybody may have seen something of: whatever was given a number, was given it under `known` at most.
    await durable.raiseEpoch(sessionId, known);
    const stored = await durable.loadSession(sessionId, now());
    const closed = stored?.document.closed ?? null;
    if (stored === null || (closed !== null && now() >= closed.at + retryHorizonMs)) return 'gone';
    const sends = await durable.recentSends(sessionId, now() - retryHorizonMs, MAX_SENDS);
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      if (await this.#restore(stored, sends)) break;
    }
    await this.#restoreNames(stored.document);
    return stateOf(stored.document);
  }

  /**
   * Stores what Redis still has, to the last of it: from here on nothing is added until the session is put back. What the
   * archive refuses for what it is stays behind. False when the session is under another epoch by now. Rejects with
   * `UNAVAILABLE`, and lets the session go on, when the archive could not take the rest.
   */
  async #archive(sessionId: string, epoch: number): Promise<boolean> {
    if (!(await this.#fence(sessionId, epoch, 1))) return false;
    const outcome = await this.#options.archive(sessionId);
    if (outcome !== 'unavailable') return true;
    await this.#fence(sessionId, epoch, -1);
    throw beingRebuilt();
  }

  async #fence(sessionId: string, epoch: number, change: number): Promise<boolean> {
    const { redis, keys } = this.#options;
    return numberOf(await redis.run(FENCE, [keys.session(sessionId).flat], [String(epoch), String(change)])) === 1;
  }

  /** The session under that epoch or a later one, once it is there; null when nobody brings it. */
  async #coming(sessionId: string, epoch: number): Promise<SessionDocument | null> {
    const endsAt = performance.now() + COMING_MS;
    for (;;) {
      const document = (await this.#options.store.read(sessionId))?.snapshot.document ?? null;
      if (document !== null && document.epoch >= epoch) return document;
      if (performance.now() > endsAt) return null;
      await delay(LOOK_AGAIN_MS, undefined, { ref: false });
    }
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
        ...[session.ended, partition.held, session.sends, asideOf(partition)],
      ],
      [
        ...[clock(), String(epoch), encodeDocument(document), String(this.#lifeOf(document))],
        deadline === null ? '' : String(deadline.at),
        JSON.stringify(flatOf(document, stored)),
        JSON.stringify(changedCounts(left?.snapshot.document ?? null, document)),
        JSON.stringify(sends.map(sendOf)),
        ...[String(retryHorizonMs), id, String(left?.version ?? 0)],
        JSON.stringify([...heldBy(left?.snapshot.document ?? null)]),
        document.closed === null ? '1' : '0',
      ],
    );
    return numberOf(reply) !== -1;
  }

  #lifeOf({ closed, code }: SessionDocument): number {
    const { timings, retryHorizonMs, now } = this.#options;
    if (closed === null) return lifeOf(timings);
    return Math.max(closed.at + retryHorizonMs, code?.expiresAt ?? 0) - now() + CLOSED_SPARE_MS;
  }

  async #restoreNames({ id, code, seats }: SessionDocument): Promise<void> {
    const { names, now, retryHorizonMs } = this.#options;
    if (code !== null && code.expiresAt > now()) await names.claimCode(id, code);
    for (const { key } of seats) {
      if (key !== null && now() < key.at + retryHorizonMs) await names.rememberKey(id, key.hash);
    }
  }
}

/** For those who come meanwhile, and whenever it cannot be done now. */
export function beingRebuilt(): TandemError {
  return new TandemError('UNAVAILABLE', 'The session is being put back from the archive: repeat.', {
    retryAfterMs: 200,
  });
}

function stateOf({ closed }: SessionDocument): Rebuilt {
  return closed === null ? 'open' : 'closed';
}

function flatOf(document: SessionDocument, { lastSeq, lastActivityAt, receipts }: StoredSession): string[] {
  const seq = String(lastSeq);
  const open = document.closed === null ? '1' : '0';
  const fields = ['open', open, 'epoch', String(document.epoch), 'inst', '', 'v', '1', 'seq', seq, 'dseq', seq];
  fields.push('act', String(lastActivityAt), 'warned', '0');
  for (const { id, generation } of document.seats) fields.push(`seat:${id}`, String(generation));
  for (const [seatId, { delivered, read }] of receipts) fields.push(`r:${seatId}`, `${delivered} ${read}`);
  return fields;
}

function sendOf({ participantId, id, sentAt, seq, type, bodyJson }: StoredSend): [string, number, number, string] {
  return [`${participantId ?? SERVER.seatId}:${id}`, sentAt, seq, fingerprintOf(type, bodyJson)];
}
