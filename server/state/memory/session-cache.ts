import { TandemError } from '../../../protocol/errors.ts';
import type { Message } from '../../../protocol/session.ts';
import type { DurableStore, StateCounts, StoredSession } from '../../sessions/ports.ts';
import type { Knock, Seat, SessionDocument } from '../../sessions/session.ts';
import { ExpiringIndex } from './expiring-index.ts';
import { SendRecall } from './send-recall.ts';
import { SessionEntry } from './session-entry.ts';
import { SessionTally } from './session-tally.ts';

export interface SessionCacheOptions {
  durable: Pick<
    DurableStore,
    'raiseEpoch' | 'loadSession' | 'loadSessions' | 'readMessages' | 'findSend' | 'recentSends'
  >;
  retryHorizonMs: number;
  now: () => number;
  /** A session was read; `hasMoved` when its head is ahead of what this process showed before. */
  onLoaded: (entry: SessionEntry, hasMoved: boolean) => void;
  /** The session of a failed write was read again: what it showed before, and messages above its head then. */
  onRecovered: (before: SessionEntry, entry: SessionEntry, missed: readonly Message[]) => void;
}

/** Memory that all hot logs may take together; beyond it sessions in turn read from the durable store. */
const LOG_BUDGET_BYTES = 256 * 1024 * 1024;
/** Closed sessions that are kept for readers; any other is read back when somebody asks. */
const CLOSED_SESSIONS = 1000;
/** Messages that are read at once. */
const MISSED_MESSAGES = 500;
/** Below that of any session. */
const NO_EPOCH = 0;

const PROBE_DOCUMENT: SessionDocument = {
  id: 'probe',
  epoch: 0,
  createdAt: 0,
  capacity: 0,
  locked: true,
  approval: false,
  shareHistory: false,
  metadata: {},
  code: null,
  everPaired: false,
  seats: [],
  closed: null,
};

/** Which sessions are in memory, what leads to them, and how one comes back that is not. */
export class SessionCache {
  readonly sends: SendRecall;
  readonly #options: SessionCacheOptions;
  readonly #entries = new Map<string, SessionEntry>();
  readonly #loading = new Map<string, Promise<SessionEntry | null>>();
  /** Entries whose commit failed: what they decided is void, what they showed still holds until they are read again. */
  readonly #broken = new Map<string, SessionEntry>();
  readonly #closed = new Set<SessionEntry>();
  readonly #codes = new ExpiringIndex();
  readonly #keys = new ExpiringIndex();
  readonly #tally = new SessionTally();
  #logBytes = 0;
  #hits = 0;
  #misses = 0;
  #shedding: Iterator<SessionEntry> = [][Symbol.iterator]();

  constructor(options: SessionCacheOptions) {
    this.#options = options;
    this.sends = new SendRecall(options.durable);
  }

  /** Reads the open sessions back. Their idle clocks start anew: while the server was down nobody could speak. */
  async restore(): Promise<void> {
    const now = this.#options.now();
    const sessions = await this.#options.durable.loadSessions(now);
    // The indexes forget from the front, so they are filled in the order of expiry.
    sessions.sort((a, b) => (a.document.code?.expiresAt ?? 0) - (b.document.code?.expiresAt ?? 0));
    for (const stored of sessions) this.#admit({ ...stored, lastActivityAt: now });
  }

  /** A new session, not yet visible; or why not: its code or a key of its seats leads to another one. */
  add(document: SessionDocument): SessionEntry | 'code_taken' | 'key_taken' {
    if (document.seats.some(({ key }) => key !== null && this.#holderOf(key.hash) !== null)) return 'key_taken';
    const now = this.#options.now();
    const entry = new SessionEntry(document, {
      lastSeq: 0,
      lastActivityAt: now,
      receipts: new Map(),
      sendsKnownSince: Number.NEGATIVE_INFINITY,
    });
    if (!this.claimNames(entry, null, document)) return 'code_taken';
    this.#entries.set(entry.id, entry);
    return entry;
  }

  /** The session, when it is in memory. */
  peek(sessionId: string): SessionEntry | undefined {
    const entry = this.#entries.get(sessionId);
    if (entry !== undefined) this.#hits += 1;
    return entry;
  }

  /** How many sessions are in memory, how often one was and was not when it was asked for, and what their logs take. */
  figures(): { hits: number; misses: number; totalKeys: number; memoryUsedBytes: number } {
    const { size } = this.#entries;
    return { hits: this.#hits, misses: this.#misses, totalKeys: size, memoryUsedBytes: this.#logBytes };
  }

  /** Of what is visible; closed sessions do not count. */
  counts(): Pick<StateCounts, 'sessions' | 'participants'> {
    return this.#tally.counts();
  }

  /** The session, from memory or read back. */
  async open(sessionId: string): Promise<SessionEntry | null> {
    const entry = this.#entries.get(sessionId);
    if (entry !== undefined) return entry;
    let loading = this.#loading.get(sessionId);
    if (loading === undefined) {
      loading = this.#load(sessionId).finally(() => this.#loading.delete(sessionId));
      this.#loading.set(sessionId, loading);
    }
    return loading;
  }

  /** The session with a living seat of this key, decided or visible. */
  async openByKey(keyHash: string): Promise<SessionEntry | null> {
    const sessionId = this.#keys.find(keyHash, this.#options.now());
    if (sessionId === null) return null;
    await this.open(sessionId);
    return this.#holderOf(keyHash);
  }

  findCode(code: string): string | null {
    return this.#codes.find(code, this.#options.now());
  }

  countLiveCodes(): number {
    return this.#codes.countAlive(this.#options.now());
  }

  /**
   * Makes the code and the keys that a decision brought lead here; false, and nothing done, when the code leads
   * elsewhere. What the document had before is left alone: an expired code may be somebody else's by now.
   */
  claimNames(entry: SessionEntry, before: SessionDocument | null, after: SessionDocument): boolean {
    const now = this.#options.now();
    const { code } = after;
    if (code !== null && code.value !== before?.code?.value && code.expiresAt > now) {
      if (!this.#codes.claim(code.value, entry.id, code.expiresAt, now)) return false;
    }
    for (const seat of after.seats) {
      if (seat.key === null || before?.seats.includes(seat) === true) continue;
      this.#keys.point(seat.key.hash, entry.id, seat.key.at + this.#options.retryHorizonMs, now);
    }
    return true;
  }

  /** A document became visible in place of another: a code that it no longer has is dead. */
  shown(entry: SessionEntry, before: SessionDocument | null): void {
    this.#tally.moved(before, entry.visible);
    const killed = before?.code?.value;
    if (killed !== undefined && killed !== entry.decided.code?.value && killed !== entry.visible?.code?.value) {
      this.#codes.release(killed, entry.id);
    }
    if (entry.visible?.closed === null) return;
    this.#logBytes -= entry.shed();
    this.sends.forget(entry);
    this.#closed.add(entry);
    for (const oldest of this.#closed) {
      if (this.#closed.size <= CLOSED_SESSIONS) break;
      if (oldest.pendingWrites > 0) break;
      this.#drop(oldest);
    }
  }

  /** Keeps the budget: sessions in turn forget their log, at most one round of them. */
  logGrew(bytes: number): void {
    this.#logBytes += bytes;
    for (let looked = 0; this.#logBytes > LOG_BUDGET_BYTES && looked <= this.#entries.size; looked += 1) {
      const next = this.#shedding.next();
      if (next.done === true) this.#shedding = this.#entries.values();
      else this.#logBytes -= next.value.shed();
    }
  }

  /** Throws an entry away whose decided state is void; it is read again when somebody asks, or by `reopenBroken`. */
  setAside(entry: SessionEntry): void {
    if (entry === this.probeEntry) return;
    this.#drop(entry);
    this.#broken.set(entry.id, entry);
  }

  /** Whether its commit failed and nobody has read it again yet. */
  isSetAside(sessionId: string): boolean {
    return this.#broken.has(sessionId);
  }

  async reopenBroken(): Promise<void> {
    for (const sessionId of [...this.#broken.keys()]) {
      try {
        await this.open(sessionId);
      } catch {
        // The database is still away: the next round tries again.
        return;
      }
    }
  }

  /** Belongs to no session: carries probes through the queue of the commits. */
  readonly probeEntry = new SessionEntry(PROBE_DOCUMENT, {
    lastSeq: 0,
    lastActivityAt: 0,
    receipts: new Map(),
    sendsKnownSince: 0,
  });

  #holderOf(keyHash: string): SessionEntry | null {
    const entry = this.#entries.get(this.#keys.find(keyHash, this.#options.now()) ?? '');
    if (entry === undefined || entry.decided.closed !== null) return null;
    return entry.decided.seats.some((seat) => seat.key?.hash === keyHash) ? entry : null;
  }

  async #load(sessionId: string): Promise<SessionEntry | null> {
    this.#misses += 1;
    const broken = this.#broken.get(sessionId);
    if (broken !== undefined) await this.#commitEnded(sessionId);
    const stored = await this.#options.durable.loadSession(sessionId, this.#options.now());
    if (broken === undefined) return stored === null ? null : this.#admit(stored);
    const missed = stored === null ? [] : await this.#missedSince(broken, stored.lastSeq);
    this.#broken.delete(sessionId);
    this.#releaseNames(broken, stored?.document ?? null);
    if (stored === null) return null;
    const entry = this.#admit(overlaid(stored, broken), broken);
    this.#options.onRecovered(broken, entry, missed);
    return entry;
  }

  /**
   * A commit that was given up may still be under way: in its fsync, or waiting for a standby, it can be neither ended
   * nor seen. What it stores later would be in no memory, and its messages delivered to nobody. So the session's row is
   * taken, which the commit holds until it has ended. An epoch that never was is raised by nobody. Of a creation there is
   * no row: see `#releaseNames`.
   */
  async #commitEnded(sessionId: string): Promise<void> {
    try {
      await this.#options.durable.raiseEpoch(sessionId, NO_EPOCH);
    } catch (cause) {
      if (cause instanceof TandemError) throw cause;
      // As of a database that only reads now: whoever comes later finds another.
      throw new TandemError('UNAVAILABLE', 'The session cannot be read again now: repeat later.', { cause });
    }
  }

  /** Messages that were stored although their commit seemed to fail: nobody has seen them. */
  async #missedSince({ id, lastSeq: shownSeq }: SessionEntry, lastSeq: number): Promise<Message[]> {
    const missed: Message[] = [];
    for (let afterSeq = shownSeq; afterSeq < lastSeq;) {
      const limit = Math.min(MISSED_MESSAGES, lastSeq - afterSeq);
      const page = await this.#options.durable.readMessages(id, { afterSeq, limit });
      const last = page.at(-1);
      if (last === undefined) break;
      missed.push(...page);
      afterSeq = last.seq;
    }
    return missed;
  }

  #admit(stored: StoredSession, before?: SessionEntry): SessionEntry {
    const { document, lastSeq, lastActivityAt, receipts } = stored;
    const entry = new SessionEntry(document, {
      lastSeq,
      lastActivityAt,
      receipts,
      sendsKnownSince: Number.POSITIVE_INFINITY,
    });
    entry.visible = document;
    entry.activity = before?.activity ?? new Map();
    entry.idleWarned = before?.idleWarned ?? false;
    // A commit that was given up may still come to its end: the reason of what it ended is known here alone.
    for (const { id } of document.seats) {
      const reason = before?.endings.get(id);
      if (reason !== undefined) entry.endings.set(id, reason);
    }
    this.claimNames(entry, null, document);
    this.#entries.set(entry.id, entry);
    this.shown(entry, null);
    this.#options.onLoaded(entry, before !== undefined && before.lastSeq < lastSeq);
    return entry;
  }

  #drop(entry: SessionEntry): void {
    if (this.#entries.get(entry.id) === entry) {
      this.#entries.delete(entry.id);
      this.#tally.moved(entry.visible, null);
    }
    this.#closed.delete(entry);
    this.sends.dropped(entry);
    this.#logBytes -= entry.shed();
    entry.isGone = true;
  }

  /**
   * Names that the broken entry had claimed and the stored session does not have. The keys of a creation that was not found
   * still lead to it: its commit may end later, and whoever repeats it finds it then.
   */
  #releaseNames(broken: SessionEntry, stored: SessionDocument | null): void {
    for (const document of [broken.decided, broken.visible]) {
      if (document === null) continue;
      if (document.code !== null && document.code.value !== stored?.code?.value) {
        this.#codes.release(document.code.value, broken.id);
      }
      if (broken.visible === null && stored === null) continue;
      for (const { key } of document.seats) {
        if (key !== null && !stored?.seats.some((seat) => seat.key?.hash === key.hash)) {
          this.#keys.release(key.hash, broken.id);
        }
      }
    }
  }
}

/** What a restart would forget, but this process has not: who is connected and who knocks, and when somebody spoke last. */
function overlaid(stored: StoredSession, broken: SessionEntry): StoredSession {
  const connected = new Map(broken.visible?.seats.map((seat) => [seat.id, seat]));
  const seats = stored.document.seats.map((seat): Seat => {
    const { presence, awaySince, generation, instance } = connected.get(seat.id) ?? seat;
    return { ...seat, presence, awaySince, generation, instance };
  });
  const paired = connected.size < 2 && seats.length >= 2;
  const knocks = broken.visible?.knocks?.map((knock): Knock => {
    // An admission that counted as failed may be stored.
    const isSeated = knock.answer === null && seats.some(({ id }) => id === knock.newcomer.id);
    return isSeated ? { ...knock, answer: { kind: 'admitted', paired } } : knock;
  });
  const document = { ...stored.document, seats, ...(knocks === undefined ? {} : { knocks }) };
  return { ...stored, document, lastActivityAt: broken.lastActivityAt };
}
