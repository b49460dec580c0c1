import type { Message } from '../../../protocol/session.ts';
import { deliveryOf, type Delivery } from '../../sessions/message-text.ts';
import type { MessageListener } from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';

export interface LocalSessionsOptions {
  onMessage: MessageListener;
  /** Messages of the log above that seq, ascending; null when there is no such session. */
  readAfter: (sessionId: string, afterSeq: number) => Promise<LoggedMessages | null>;
  /** Another message came under a number that was told already. */
  onContradiction: (sessionId: string, epoch: number) => void;
  onFault: (error: unknown) => void;
}

export interface LoggedMessages {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly messages: readonly Message[];
}

/** A session's head as it is known here. */
export interface KnownHead {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly durableSeq: number;
  readonly version: number;
}

interface Arrival {
  readonly message: Delivery;
  readonly sender: SeatHolder;
  /** Under another one its number is that of another message. */
  readonly epoch: number;
}

interface Entry {
  epoch: number;
  /** The listener had everything up to here; null while only a change is waited for. */
  delivered: number | null;
  /** What came before its turn, by seq: of this epoch alone, unless `delivered` is null. */
  readonly early: Map<number, Arrival>;
  readonly recent: RecentIds;
  /** Changes under way: what comes meanwhile waits, because it may be for a seat that they give. */
  changes: number;
  repair: Promise<void> | null;
  timer: NodeJS.Timeout | null;
  told: { epoch: number; lastSeq: number; durableSeq: number } | null;
  version: number;
  /** When a change of others was last seen of which it is not sure that it was heard of here; null when of all it is. */
  doubtedAt: number | null;
}

/** A message that is missing is nearly always on its way over another connection. */
const PATIENCE_MS = 40;
/** Beyond it the log is read, which has them all. */
const MAX_EARLY = 1000;
/**
 * What was told by an instance whose way to Redis broke is told again when it is back, or taken for dead: of what is older
 * than both would take, everybody has heard.
 */
const DOUBT_MS = 30_000;
/** No connection has this generation: a message that comes from the log goes to everybody. */
const NO_GENERATION = -1;

/**
 * The sessions with a seat that this instance holds. Answers and channels bring messages over several connections, so
 * they come out of turn, twice, or not at all; the listener hears of each once and in the order of seq. A hole is filled
 * from the log.
 */
export class LocalSessions {
  readonly #options: LocalSessionsOptions;
  readonly #entries = new Map<string, Entry>();
  #isStopped = false;

  constructor(options: LocalSessionsOptions) {
    this.#options = options;
  }

  ids(): IterableIterator<string> {
    return this.#entries.keys();
  }

  has(sessionId: string): boolean {
    return (this.#entries.get(sessionId)?.delivered ?? null) !== null;
  }

  /** Highest seq that somebody here has seen; 0 when nobody has. */
  seenSeq(sessionId: string): number {
    return this.#entries.get(sessionId)?.delivered ?? 0;
  }

  /** The epoch that somebody here knows; null when nobody is here. */
  epochOf(sessionId: string): number | null {
    const entry = this.#entries.get(sessionId);
    return entry === undefined || entry.delivered === null ? null : entry.epoch;
  }

  versionOf(sessionId: string): number {
    return this.#entries.get(sessionId)?.version ?? 0;
  }

  setVersion(sessionId: string, version: number): void {
    const entry = this.#entries.get(sessionId);
    if (entry !== undefined) entry.version = Math.max(entry.version, version);
  }

  /** Others changed the session, and whether that was heard of here will show. */
  doubt(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry !== undefined) entry.doubtedAt = performance.now();
  }

  /** Whether something of what others changed may not have been heard of here. */
  isDoubtful(sessionId: string): boolean {
    const doubtedAt = this.#entries.get(sessionId)?.doubtedAt ?? null;
    return doubtedAt !== null;
  }

  /** The store was reached by all this time; `wasTold`: those who are here were told how the session is. */
  settleDoubt(sessionId: string, wasTold: boolean): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || entry.doubtedAt === null) return;
    if (wasTold || performance.now() - entry.doubtedAt > DOUBT_MS) entry.doubtedAt = null;
  }

  /** A message that this instance appended itself: heard of in any case. */
  appended(message: Delivery, sender: SeatHolder, epoch: number): void {
    const entry = this.#entries.get(message.sessionId);
    if (entry === undefined) this.#tell(message, sender);
    else this.#arrive(entry, { message, sender, epoch });
  }

  /** A message that came over the channel. */
  arrived(message: Delivery, sender: SeatHolder, epoch: number): void {
    const entry = this.#entries.get(message.sessionId);
    if (entry !== undefined) this.#arrive(entry, { message, sender, epoch });
  }

  /** From here on messages wait; `changed` or `unchanged` ends it. */
  changing(sessionId: string): void {
    const entry = this.#entries.get(sessionId) ?? newEntry();
    this.#entries.set(sessionId, entry);
    entry.changes += 1;
  }

  /**
   * Resolves when the listener had everything up to that head and nothing above it: the moment in which a change may be
   * told of.
   */
  async reached(sessionId: string, head: { epoch: number; lastSeq: number }): Promise<void> {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || entry.delivered === null || entry.epoch !== head.epoch) return;
    this.#drain(entry, head.lastSeq);
    if (entry.delivered >= head.lastSeq) return;
    try {
      for (let from = -1; entry.delivered < head.lastSeq && entry.delivered > from;) {
        from = entry.delivered;
        const logged = await this.#options.readAfter(sessionId, from);
        // Lost, or begun anew: those who are here leave, if they have not left.
        if (logged?.epoch !== head.epoch || this.epochOf(sessionId) !== head.epoch) break;
        const [first] = logged.messages;
        if (first !== undefined && first.seq > entry.delivered + 1) {
          entry.delivered = Math.min(first.seq - 1, head.lastSeq);
        }
        for (const message of logged.messages) this.#accept(entry, this.#ofLog(entry, message), head.lastSeq);
      }
    } catch (error) {
      // The change is stored and must be told of: what is missing here is a hole that clients see and page for.
      this.#options.onFault(error);
    }
    if (this.epochOf(sessionId) !== head.epoch) return;
    // What the log has dropped by now is in the archive; those connected page for it.
    if (entry.delivered < head.lastSeq) entry.delivered = head.lastSeq;
  }

  /** A change is told of: `isHeld` when a seat of the session is held here from now on. */
  changed(sessionId: string, head: KnownHead, isHeld: boolean): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return;
    entry.changes -= 1;
    if (!isHeld) {
      if (entry.changes === 0) this.#forget(sessionId, entry);
      else entry.delivered = null;
      return;
    }
    if (entry.delivered === null || entry.epoch !== head.epoch) {
      entry.delivered = head.lastSeq;
      entry.epoch = head.epoch;
      entry.recent.clear();
      for (const [seq, { epoch }] of entry.early) if (epoch !== head.epoch) entry.early.delete(seq);
      entry.told = { epoch: head.epoch, lastSeq: head.lastSeq, durableSeq: head.durableSeq };
    }
    entry.version = head.version;
    this.#goOn(sessionId, entry);
  }

  unchanged(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return;
    entry.changes -= 1;
    if (entry.delivered === null && entry.changes === 0) this.#forget(sessionId, entry);
    else this.#goOn(sessionId, entry);
  }

  /**
   * Compares with the head in the store, and fills what is missing. True when it moved since it was told last;
   * `willTell` false when nobody is told of it now.
   */
  compare(sessionId: string, head: KnownHead, willTell = true): boolean {
    const entry = this.#entries.get(sessionId);
    // Of another epoch it says nothing of those who are here.
    if (entry === undefined || entry.delivered === null || head.epoch !== entry.epoch) return false;
    if (head.lastSeq > entry.delivered) void this.repair(sessionId);
    const { told } = entry;
    if (told !== null && told.lastSeq === head.lastSeq && told.durableSeq === head.durableSeq) return false;
    if (willTell) entry.told = { epoch: head.epoch, lastSeq: head.lastSeq, durableSeq: head.durableSeq };
    return true;
  }

  /** Nobody is left here, or the session is gone. */
  forget(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return;
    if (entry.changes === 0) this.#forget(sessionId, entry);
    // While nobody is here, what waits is for the one who comes.
    else if (entry.delivered !== null) this.#leave(entry);
  }

  /** Reads what is missing from the log. */
  repair(sessionId: string): Promise<void> {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || entry.delivered === null || this.#isStopped) return Promise.resolve();
    return (entry.repair ??= this.#repair(sessionId, entry).finally(() => (entry.repair = null)));
  }

  stop(): void {
    this.#isStopped = true;
    for (const [sessionId, entry] of this.#entries) this.#forget(sessionId, entry);
  }

  #arrive(entry: Entry, arrival: Arrival): void {
    if (entry.delivered === null) {
      this.#keep(entry, arrival);
      return;
    }
    if (arrival.epoch !== entry.epoch) return;
    const { seq, id, sessionId, from } = arrival.message;
    if (entry.recent.contradicts(seq, from, id)) {
      // One number, two messages: the store has lost what was told here, and went on.
      this.#options.onContradiction(sessionId, arrival.epoch);
      return;
    }
    if (entry.changes > 0) this.#keep(entry, arrival);
    else {
      this.#accept(entry, arrival);
      this.#drain(entry);
      if (entry.early.size > 0) this.#wait(arrival.message.sessionId, entry);
    }
  }

  /** Tells of the message if it is its turn, and keeps it if its turn is still to come. */
  #accept(entry: Entry, arrival: Arrival, upTo = Number.POSITIVE_INFINITY): void {
    const { seq } = arrival.message;
    const { delivered } = entry;
    if (delivered === null || seq > delivered + 1 || seq > upTo) {
      this.#keep(entry, arrival);
      return;
    }
    if (seq <= delivered) return;
    entry.delivered = seq;
    if (entry.early.size > 0) entry.early.delete(seq);
    entry.recent.add(seq, arrival.message.from, arrival.message.id);
    this.#tell(arrival.message, arrival.sender);
  }

  #keep(entry: Entry, arrival: Arrival): void {
    const { seq, sessionId } = arrival.message;
    if (seq <= (entry.delivered ?? 0)) return;
    const known = entry.early.get(seq);
    if (known !== undefined && known.epoch > arrival.epoch) return;
    if (known?.epoch === arrival.epoch) {
      if (!isSame(known.message, arrival.message)) {
        // Which of them the store has, the log knows.
        entry.early.delete(seq);
        this.#options.onContradiction(sessionId, arrival.epoch);
        return;
      }
      // One that names its sender is worth more: that connection must not hear itself.
      if (known.sender.generation !== NO_GENERATION) return;
    }
    if (known !== undefined || entry.early.size < MAX_EARLY) entry.early.set(seq, arrival);
  }

  /** What the log has, as it came by itself if it did; `entry` is of the epoch of the log. */
  #ofLog(entry: Entry, message: Message): Arrival {
    const known = entry.early.get(message.seq);
    if (known !== undefined && isSame(known.message, message)) return known;
    if (known !== undefined) {
      entry.early.delete(message.seq);
      this.#options.onContradiction(message.sessionId, entry.epoch);
    }
    const sender = { seatId: message.from, generation: NO_GENERATION };
    return { message: deliveryOf(message), sender, epoch: entry.epoch };
  }

  #drain(entry: Entry, upTo = Number.POSITIVE_INFINITY): void {
    while (entry.delivered !== null && entry.delivered < upTo) {
      const next = entry.early.get(entry.delivered + 1);
      if (next === undefined) break;
      this.#accept(entry, next);
    }
  }

  #goOn(sessionId: string, entry: Entry): void {
    if (entry.changes > 0 || entry.delivered === null) return;
    for (const seq of entry.early.keys()) if (seq <= entry.delivered) entry.early.delete(seq);
    this.#drain(entry);
    if (entry.early.size > 0) this.#wait(sessionId, entry);
  }

  #wait(sessionId: string, entry: Entry): void {
    if (entry.timer !== null) return;
    entry.timer = setTimeout(() => {
      entry.timer = null;
      if (entry.early.size > 0 && entry.changes === 0) void this.repair(sessionId);
    }, PATIENCE_MS);
    entry.timer.unref();
  }

  async #repair(sessionId: string, entry: Entry): Promise<void> {
    try {
      for (;;) {
        const { delivered: from, epoch } = entry;
        if (from === null) return;
        const logged = await this.#options.readAfter(sessionId, from);
        if (this.#entries.get(sessionId) !== entry) return;
        // Left or begun anew meanwhile: what was read is not what is missing now.
        if (entry.epoch !== epoch || entry.delivered === null) continue;
        if (logged?.epoch !== epoch) return;
        const [first] = logged.messages;
        // The log no longer has what is missing: clients see the hole and page for it.
        if (first !== undefined && first.seq > entry.delivered + 1) entry.delivered = first.seq - 1;
        for (const message of logged.messages) {
          const arrival = this.#ofLog(entry, message);
          if (entry.changes > 0) this.#keep(entry, arrival);
          else this.#accept(entry, arrival);
        }
        this.#goOn(sessionId, entry);
        if (entry.changes > 0) return;
        if (logged.messages.length === 0 || entry.delivered >= logged.lastSeq) return;
      }
    } catch (error) {
      // The next look at the heads comes to it again.
      this.#options.onFault(error);
    }
  }

  #tell(message: Delivery, sender: SeatHolder): void {
    try {
      this.#options.onMessage(message, sender);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #forget(sessionId: string, entry: Entry): void {
    if (entry.timer !== null) clearTimeout(entry.timer);
    this.#leave(entry);
    this.#entries.delete(sessionId);
  }

  /** What came is of an epoch that may be over. */
  #leave(entry: Entry): void {
    entry.delivered = null;
    entry.early.clear();
    entry.recent.clear();
  }
}

/**
 * Sender and id of the messages that were told last, to notice that their numbers are given again. As hashes: the texts are
 * parts of whole packets, which would stay in memory with them.
 */
class RecentIds {
  static readonly #COUNT = 16;
  readonly #seqs: number[] = [];
  readonly #hashes: number[] = [];

  add(seq: number, from: string, id: string): void {
    const place = seq % RecentIds.#COUNT;
    this.#seqs[place] = seq;
    this.#hashes[place] = hashOf(from, id);
  }

  /** Whether another message was told under this number. Of 4 billion that were, one is not found here. */
  contradicts(seq: number, from: string, id: string): boolean {
    const place = seq % RecentIds.#COUNT;
    return this.#seqs[place] === seq && this.#hashes[place] !== hashOf(from, id);
  }

  clear(): void {
    this.#seqs.length = 0;
  }
}

/** FNV-1a. */
function hashOf(from: string, id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < from.length; index += 1) hash = Math.imul(hash ^ from.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ 0x20, 0x01000193);
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return hash;
}

function newEntry(): Entry {
  return {
    epoch: 0,
    delivered: null,
    early: new Map(),
    recent: new RecentIds(),
    changes: 0,
    repair: null,
    timer: null,
    told: null,
    version: 0,
    doubtedAt: null,
  };
}

/** Whether what has the same number is the same message. */
function isSame(one: Delivery, other: Pick<Delivery, 'from' | 'id'>): boolean {
  return one.id === other.id && one.from === other.from;
}
