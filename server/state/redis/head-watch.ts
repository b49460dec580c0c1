import type { SessionSnapshot } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import { isUnavailable } from './client-errors.ts';
import { partitionOf, type Keys } from './keys.ts';
import type { Lanes } from './lanes.ts';
import type { LocalSessions } from './local-sessions.ts';
import { arrayOf, numberOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionRebuild } from './session-rebuild.ts';
import { heldBy, type SessionStore } from './session-store.ts';

const READ_HEADS = loadScript('read_heads');

/** Heads that one script looks at. */
const HEADS_AT_ONCE = 100;
/** Others' changes are told of by events: what is not heard by then is looked for. */
const HEARD_MS = 1000;

export interface MovedHead {
  readonly sessionId: string;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly durableSeq: number;
}

export interface HeadWatchOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  instanceId: string;
  local: LocalSessions;
  lanes: Lanes;
  store: SessionStore;
  rebuilds: SessionRebuild;
  /** Whether events of other instances are heard now. */
  isListening: () => boolean;
  /** Whether a connection here holds a seat of the session. */
  isConnected: (sessionId: string) => boolean;
  /** Releases seats that were stored for connections that never heard of them. */
  releaseUnheld: () => Promise<void>;
  onChangedElsewhere: (snapshot: SessionSnapshot, mayHaveMissed: boolean) => void;
  /** The session goes on under another epoch than the one that was known here. */
  onNewEpoch: (sessionId: string, over: number) => void;
  onFault: (error: unknown) => void;
}

/**
 * Compares the sessions that are held here with the store, over the way of commands. What the channel and the adapter
 * lost is noticed by that, and so is what the store itself has lost.
 */
export class HeadWatch {
  readonly #options: HeadWatchOptions;
  /** Whether events of other instances may have been lost since the last look. */
  #isSuspect = false;
  #turn: Promise<unknown> = Promise.resolve();
  /** Sessions that are looked at soon. */
  readonly #soon = new Map<string, NodeJS.Timeout>();

  constructor(options: HeadWatchOptions) {
    this.#options = options;
  }

  /** The way to Redis was broken: what was appended or published meanwhile may not have come. */
  suspect(): void {
    this.#isSuspect = true;
  }

  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /**
   * A change that is not known here showed on the way of commands. The event that tells of it is on its way, or lost with
   * the link that listens: somebody who was kicked must not go on hearing until the next look at all.
   */
  lookSoon(sessionId: string): void {
    const { local, onFault } = this.#options;
    local.doubt(sessionId);
    if (this.#soon.has(sessionId)) return;
    const look = async () => {
      this.#soon.delete(sessionId);
      try {
        await this.#lookAtDocument(sessionId, this.#isSuspect || !this.#options.isListening(), true);
      } catch (error) {
        // When Redis is back all are looked at, and what is in doubt closely.
        if (!isUnavailable(error)) onFault(error);
      }
    };
    const timer = setTimeout(() => void look(), HEARD_MS);
    timer.unref();
    this.#soon.set(sessionId, timer);
  }

  stop(): void {
    for (const timer of this.#soon.values()) clearTimeout(timer);
    this.#soon.clear();
  }

  /** The heads that moved since they were told of last; `willTell`: the caller tells of these. One look at a time. */
  look(willTell: boolean): Promise<MovedHead[]> {
    const look = this.#turn.then(() => this.#look(willTell));
    this.#turn = look.catch(() => undefined);
    return look;
  }

  async #look(willTell: boolean): Promise<MovedHead[]> {
    const moved: MovedHead[] = [];
    const byPartition = new Map<number, string[]>();
    for (const id of this.#options.local.ids()) {
      const partition = partitionOf(id);
      const ids = byPartition.get(partition);
      if (ids === undefined) byPartition.set(partition, [id]);
      else ids.push(id);
    }
    const mayHaveMissed = this.#isSuspect || !this.#options.isListening();
    this.#isSuspect = false;
    try {
      await this.#options.releaseUnheld();
      for (const ids of byPartition.values()) {
        for (let from = 0; from < ids.length; from += HEADS_AT_ONCE) {
          await this.#lookAt(ids.slice(from, from + HEADS_AT_ONCE), { mayHaveMissed, willTell, moved });
        }
      }
    } catch (error) {
      // Those that were not looked at are looked at next time, and as closely.
      this.#isSuspect ||= mayHaveMissed;
      // What was found to have moved is told of once: nobody would find it again.
      if (moved.length === 0 || !willTell) throw error;
      if (!isUnavailable(error)) this.#options.onFault(error);
    }
    return moved;
  }

  /** Adds to `moved`. One that cannot be put back now keeps no other from being looked at; its fault is thrown then. */
  async #lookAt(
    ids: readonly string[],
    { mayHaveMissed, willTell, moved }: { mayHaveMissed: boolean; willTell: boolean; moved: MovedHead[] },
  ): Promise<void> {
    const { redis, keys, onNewEpoch } = this.#options;
    const faults: unknown[] = [];
    const names = ids.map((id) => keys.session(id).flat);
    // Before Redis is asked: what comes meanwhile is no loss.
    const { local } = this.#options;
    const seen = ids.map((id) => {
      return { epoch: local.epochOf(id), seq: local.seenSeq(id), version: local.versionOf(id) };
    });
    const heads = arrayOf(await redis.run(READ_HEADS, names, [])).map(arrayOf);
    for (const [index, sessionId] of ids.entries()) {
      const [epoch, ...rest] = heads[index] ?? [];
      const before = seen[index] ?? { epoch: null, seq: 0, version: 0 };
      // Being made, or left meanwhile: what was asked for it then says nothing of it now.
      if (before.epoch === null || this.#options.local.epochOf(sessionId) !== before.epoch) continue;
      const [lastSeq = 0, durableSeq = 0, version = 0] = rest.map(numberOf);
      const head = { epoch: numberOf(epoch ?? 0), lastSeq, durableSeq };
      const isSame = before.epoch === head.epoch;
      const isBehind = head.epoch < before.epoch || (isSame && (lastSeq < before.seq || version < before.version));
      if (isBehind) {
        await this.#putBack(sessionId, before.epoch).catch((error: unknown) => faults.push(error));
        continue;
      }
      if (!isSame) {
        onNewEpoch(sessionId, before.epoch);
        continue;
      }
      if (this.#options.local.compare(sessionId, { ...head, version }, willTell)) moved.push({ sessionId, ...head });
      const isStrange = version !== this.#options.local.versionOf(sessionId);
      const isDoubtful = mayHaveMissed && this.#options.local.isDoubtful(sessionId);
      if (isStrange || isDoubtful) await this.#lookAtDocument(sessionId, mayHaveMissed, isDoubtful);
      else this.#options.local.settleDoubt(sessionId, false);
    }
    if (faults.length > 0) throw faults[0];
  }

  async #putBack(sessionId: string, epoch: number): Promise<void> {
    const rebuilt = await this.#options.rebuilds.rebuild(sessionId, epoch);
    if (rebuilt === 'closed') await this.#lookAtDocument(sessionId, true, true);
    else this.#options.onNewEpoch(sessionId, epoch);
  }

  /** In turn with the changes of this instance: what it tells of is never older than what was told before. */
  #lookAtDocument(sessionId: string, mayHaveMissed: boolean, isDoubtful: boolean): Promise<void> {
    const { local, lanes, store } = this.#options;
    return lanes.alone(sessionId, async () => {
      const held = await store.read(sessionId);
      if (held === null || local.epochOf(sessionId) !== held.snapshot.document.epoch) return;
      const isStrange = held.version !== local.versionOf(sessionId);
      if (!isStrange && !isDoubtful) return;
      local.setVersion(sessionId, held.version);
      if (isStrange) local.doubt(sessionId);
      if (mayHaveMissed) local.settleDoubt(sessionId, true);
      this.#options.onChangedElsewhere(held.snapshot, mayHaveMissed);
      const isHeld = heldBy(held.snapshot.document).has(this.#options.instanceId);
      const isConnected = held.snapshot.document.closed === null && this.#options.isConnected(sessionId);
      if (!isHeld && !isConnected) local.forget(sessionId);
    });
  }
}
