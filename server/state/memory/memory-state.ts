import { TandemError } from '../../../protocol/errors.ts';
import type { ActivityState, Message } from '../../../protocol/session.ts';
import type { LimitRequest } from '../../../protocol/limits.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import type {
  AppendRequest,
  AppendResult,
  ChangeResult,
  CreateResult,
  DueSession,
  DurableStore,
  FindSendResult,
  LimitVerdict,
  LogPage,
  LogRange,
  MessageListener,
  RecoveryListener,
  Receipt,
  ReceiptResult,
  SessionSnapshot,
  SessionState,
  StateCounts,
  TouchResult,
} from '../../sessions/ports.ts';
import {
  heldSeat,
  participantOf,
  SERVER,
  type Rule,
  type SeatHolder,
  type SessionDocument,
} from '../../sessions/session.ts';
import { DueSessions } from './due-sessions.ts';
import { GroupCommit, type Write } from './group-commit.ts';
import { KnownSends, type KnownSend } from './known-sends.ts';
import { closedText, deliveryOf, openText, type Delivery } from '../../sessions/message-text.ts';
import { loggedMessage } from './logged-message.ts';
import { SessionCache } from './session-cache.ts';
import type { SessionEntry } from './session-entry.ts';

export interface MemoryStateOptions {
  durable: Pick<
    DurableStore,
    'commit' | 'raiseEpoch' | 'loadSession' | 'loadSessions' | 'readMessages' | 'findSend' | 'recentSends'
  >;
  /** Called for every message when it becomes visible, in the order of seq. */
  onMessage: MessageListener;
  /** Called with what was stored although its commit failed, before the session is used again. */
  onRecovered: RecoveryListener;
  /** Limits of an append: all are counted, or none. */
  limits: {
    takeAll(requests: readonly LimitRequest[], now: number): LimitVerdict;
    giveBackAll(requests: readonly LimitRequest[], takenAt: number): void;
  };
  timings: Timings;
  retryHorizonMs: number;
  /** Messages of a session that are kept in memory; older ones are read from the durable store. */
  hotMessages: number;
  now: () => number;
  /** A commit failed, or a listener threw. */
  onFault: (error: unknown) => void;
  /** Writes that may wait for a commit; beyond it appends are refused before they cost anything. */
  maxBacklog?: number;
}

/** Generations of connections begin at 1, those of a seat that was read back at 0. */
const NO_GENERATION = -1;

type What = Omit<Write, 'entry' | 'decidedAt' | 'becomeVisible' | 'fail'>;

/** The hot state of a single process: decides in memory, and shows what the durable store has committed. */
export class MemoryState implements SessionState {
  readonly #options: MemoryStateOptions;
  readonly #cache: SessionCache;
  readonly #commit: GroupCommit;
  readonly #due: DueSessions;
  /** Ids, because the entry of a session that was set aside is not the one that is told of. */
  readonly #movedHeads = new Set<string>();
  readonly #maxBacklog: number;
  #isStopped = false;

  constructor(options: MemoryStateOptions) {
    this.#options = options;
    this.#due = new DueSessions(options.timings);
    this.#maxBacklog = options.maxBacklog ?? 20_000;
    this.#cache = new SessionCache({
      durable: options.durable,
      retryHorizonMs: options.retryHorizonMs,
      now: options.now,
      onLoaded: (entry, hasMoved) => {
        this.#due.schedule(entry);
        if (hasMoved) this.#movedHeads.add(entry.id);
      },
      onRecovered: (before, entry, missed) => this.#recover(before, entry, missed),
    });
    this.#commit = new GroupCommit({
      commit: (batch) => options.durable.commit(batch),
      onBroken: (entry, error) => {
        this.#cache.setAside(entry);
        options.onFault(error);
      },
    });
  }

  async start(): Promise<void> {
    await this.#cache.restore();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#commit.drained();
  }

  async create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult> {
    this.#refuseWhenStopped();
    for (;;) {
      const holder = await this.#findHolder(document);
      if (holder !== null) return { kind: 'key_taken', sessionId: holder.id };
      const entry = this.#cache.add(document);
      if (entry === 'code_taken') return { kind: 'code_taken' };
      // Another create took the key while this one looked: that one is the holder now.
      if (entry === 'key_taken') continue;
      const written = { lasting: true, document: { document, changedSeatIds: idsOf(document) } };
      return this.#write<CreateResult>(entry, written, () => {
        this.#show(entry, document);
        const snapshot = entry.snapshot(document);
        this.#tell(() => onVisible(snapshot));
        return { kind: 'created', snapshot };
      });
    }
  }

  async change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible?: (outcome: O, snapshot: SessionSnapshot) => void,
  ): Promise<ChangeResult<O>> {
    this.#refuseWhenStopped();
    const entry = this.#cache.peek(sessionId) ?? (await this.#open(sessionId));
    if (entry === null) return { kind: 'no_such_session' };
    const before = entry.decided;
    const { decidedSeq: lastSeq, lastActivityAt } = entry;
    const decision = rule(before, { now: this.#options.now(), lastSeq, lastActivityAt });
    const { outcome } = decision;
    const document = decision.kind === 'change' ? decision.document : before;
    if (!this.#cache.claimNames(entry, before, document)) return { kind: 'code_taken' };
    entry.decided = document;
    const ended = decision.kind === 'change' ? decision.ended : [];
    for (const { seat, reason } of ended) entry.endings.set(seat.id, reason);
    const show = (): ChangeResult<O> => {
      for (const { seat } of ended) entry.endings.delete(seat.id);
      if (document !== entry.visible) this.#show(entry, document);
      const snapshot = entry.snapshot(document);
      this.#tell(() => onVisible?.(outcome, snapshot));
      return { kind: 'decided', outcome, snapshot };
    };
    // What needs no commit waits only for what was decided before it.
    const isLasting = decision.kind === 'change' && decision.lasting;
    if (!isLasting && entry.pendingWrites === 0 && !entry.isGone) return show();
    if (!isLasting) return this.#write(entry, { lasting: false }, show);
    const changedSeatIds = document.seats.filter((seat) => !before.seats.includes(seat)).map((seat) => seat.id);
    return this.#write(entry, { lasting: true, document: { document, changedSeatIds }, ended }, show);
  }

  async read(sessionId: string): Promise<SessionSnapshot | null> {
    const entry = await this.#open(sessionId);
    return entry === null || entry.visible === null ? null : entry.snapshot(entry.visible);
  }

  async findByCode(code: string): Promise<string | null> {
    const now = this.#options.now();
    const sessionId = this.#cache.findCode(code);
    if (sessionId === null) return null;
    const document = (await this.#open(sessionId))?.visible;
    return document?.code?.value === code && document.code.expiresAt > now ? sessionId : null;
  }

  async findByKey(keyHash: string): Promise<string | null> {
    const entry = await this.#cache.openByKey(keyHash);
    if (entry === null) return null;
    await this.#settled(entry);
    return entry.id;
  }

  countLiveCodes(): Promise<number> {
    return Promise.resolve(this.#cache.countLiveCodes());
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.#unlessSent<AppendResult>(request, request.sender.seatId, (entry) => {
      if (entry === null) return { kind: 'no_such_session' };
      if (entry.decided.closed !== null) return this.#once(entry, { kind: 'session_closed' });
      if (request.sender !== SERVER && heldSeat(entry.decided, request.sender) === undefined)
        return this.#once(entry, { kind: 'not_seated' });
      if (this.#commit.backlog >= this.#maxBacklog) throw overloaded();
      const now = this.#options.now();
      const verdict = this.#options.limits.takeAll(request.limits, now);
      if (verdict.kind === 'refused') {
        return { kind: 'rate_limited', limit: verdict.limit, retryAfterMs: verdict.retryAfterMs };
      }
      return this.#append(entry, request, now);
    });
  }

  findSend(sessionId: string, seatId: string, id: string, fingerprint: string): Promise<FindSendResult> {
    return this.#unlessSent<FindSendResult>({ sessionId, id, fingerprint }, seatId, () => ({ kind: 'unknown' }));
  }

  async readLog(sessionId: string, range: LogRange): Promise<LogPage | null> {
    const entry = await this.#open(sessionId);
    return entry === null || entry.visible === null ? null : entry.readLog(range);
  }

  async recordReceipt(sessionId: string, holder: SeatHolder, wanted: Partial<Receipt>): Promise<ReceiptResult> {
    this.#refuseWhenStopped();
    const entry = this.#cache.peek(sessionId) ?? (await this.#open(sessionId));
    const refusal = refusalOf(entry, holder);
    if (entry === null || refusal !== null) return this.#once(entry, refusal ?? { kind: 'not_seated' });
    const { seatId } = holder;
    const known = entry.decidedReceipts.get(seatId) ?? { delivered: 0, read: 0 };
    const read = Math.max(known.read, wanted.read ?? 0);
    const delivered = Math.max(known.delivered, wanted.delivered ?? 0, read);
    if (delivered > entry.lastSeq) return { kind: 'above_head', lastSeq: entry.lastSeq };
    const receipt = { delivered, read };
    const changed = delivered !== known.delivered || read !== known.read;
    entry.decidedReceipts.set(seatId, receipt);
    return this.#write(entry, changed ? { lasting: true, receipt: { seatId, ...receipt } } : { lasting: false }, () => {
      entry.setReceipt(seatId, receipt);
      return { kind: 'recorded', receipt, changed };
    });
  }

  async touch(sessionId: string, holder: SeatHolder, state?: ActivityState): Promise<TouchResult> {
    this.#refuseWhenStopped();
    const entry = this.#cache.peek(sessionId) ?? (await this.#open(sessionId));
    const refusal = refusalOf(entry, holder);
    if (entry === null || refusal !== null) return this.#once(entry, refusal ?? { kind: 'not_seated' });
    if (state !== undefined) entry.setActivity(holder.seatId, state);
    this.#touch(entry);
    return { kind: 'touched' };
  }

  async reportIdle(sessionId: string, holder: SeatHolder): Promise<TouchResult> {
    this.#refuseWhenStopped();
    const entry = this.#cache.peek(sessionId) ?? (await this.#open(sessionId));
    const refusal = refusalOf(entry, holder);
    if (entry === null || refusal !== null) return this.#once(entry, refusal ?? { kind: 'not_seated' });
    entry.setActivity(holder.seatId, 'idle');
    return { kind: 'touched' };
  }

  async takeDue(limit: number): Promise<DueSession[]> {
    // Nobody may ask for a session that was set aside; its deadlines must come all the same.
    await this.#cache.reopenBroken();
    return this.#due.take(limit, this.#options.now());
  }

  takeMovedHeads(): Promise<{ sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[]> {
    const heads: { sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[] = [];
    for (const sessionId of this.#movedHeads) {
      // Told when it has been read again: until then nobody knows what its head is.
      if (this.#cache.isSetAside(sessionId)) continue;
      this.#movedHeads.delete(sessionId);
      const entry = this.#cache.peek(sessionId);
      if (entry?.visible?.closed !== null) continue;
      const { decided, lastSeq } = entry;
      heads.push({ sessionId, epoch: decided.epoch, lastSeq, durableSeq: lastSeq });
    }
    return Promise.resolve(heads);
  }

  async probe(): Promise<void> {
    this.#refuseWhenStopped();
    await this.#write(this.#cache.probeEntry, { lasting: true }, () => {});
  }

  counts(): StateCounts {
    const { backlog, oldestAt } = this.#commit;
    const oldestWriteAgeMs = oldestAt === null ? 0 : Math.max(0, this.#options.now() - oldestAt);
    return { ...this.#cache.counts(), backlog, oldestWriteAgeMs };
  }

  /** What the memory holds, for people who look. */
  figures(): ReturnType<SessionCache['figures']> {
    return this.#cache.figures();
  }

  async #append(entry: SessionEntry, request: AppendRequest, now: number): Promise<AppendResult> {
    const { sessionId, sender, id, type, body, bodyJson, fingerprint, limits } = request;
    const seq = entry.decidedSeq + 1;
    const { epoch } = entry.decided;
    entry.decidedSeq = seq;
    const from = sender.seatId;
    const message: Message = { id, seq, sessionId, from, type, body, sentAt: new Date(now).toISOString() };
    const json = closedText(openText({ id, sessionId, from, type, bodyJson }), seq, now);
    const delivery: Delivery = { sessionId, from, id, seq, sentAt: now, json };
    const stored = {
      sessionId,
      epoch,
      seq,
      id,
      participantId: participantOf(sender.seatId),
      type,
      bodyJson,
      sentAt: now,
    };
    // Activity is what participants do.
    if (sender !== SERVER) this.#touch(entry);
    const known: KnownSend = { seq, sentAt: now, fingerprint, stored: null };
    const written = this.#write<AppendResult>(entry, { lasting: true, message: stored }, () => {
      known.stored = null;
      this.#cache.logGrew(entry.show(loggedMessage(message, bodyJson), this.#options.hotMessages));
      this.#movedHeads.add(entry.id);
      this.#tell(() => this.#options.onMessage(delivery, sender));
      return { kind: 'appended', seq, sentAt: now, epoch, durableSeq: entry.lastSeq };
    });
    known.stored = written.then(() => {});
    // Whoever repeats the id sees the failure; when nobody does, it is not unhandled.
    known.stored.catch(() => this.#options.limits.giveBackAll(limits, now));
    entry.sends.add(KnownSends.key(sender.seatId, id), known, now - this.#options.retryHorizonMs);
    return written;
  }

  /**
   * What is known of the send; otherwise what `decide` says, which runs in the turn in which the id was found unknown:
   * with an await between, two repetitions of one id would both be appended.
   */
  async #unlessSent<R>(
    send: { sessionId: string; id: string; fingerprint: string },
    seatId: string,
    decide: (entry: SessionEntry | null) => R | Promise<R>,
  ): Promise<R | Exclude<FindSendResult, { kind: 'unknown' }>> {
    this.#refuseWhenStopped();
    const key = KnownSends.key(seatId, send.id);
    let wasAhead = false;
    // Of a session that was read again the answer for what it was before says nothing.
    for (let lookedUp: KnownSends | null = null; ;) {
      const entry = this.#cache.peek(send.sessionId) ?? (await this.#open(send.sessionId));
      if (entry === null) return decide(null);
      if (entry.isGone) continue;
      const horizonStart = this.#options.now() - this.#options.retryHorizonMs;
      const known = entry.sends.find(key);
      if (known !== undefined && known.sentAt >= horizonStart) {
        if (known.stored !== null || known.seq <= entry.lastSeq) return this.#repeat(entry, known, send.fingerprint);
        if (wasAhead) throw aheadOfItself();
        wasAhead = true;
        await this.#readAgain(entry);
        continue;
      }
      const { sends } = entry;
      if (lookedUp === sends || sends.knowsAllSince(horizonStart)) return decide(entry);
      const isKnown = await this.#cache.sends.recall(entry, { seatId, id: send.id }, horizonStart);
      if (isKnown) lookedUp = sends;
    }
  }

  /**
   * The store has more than is shown: a commit that was given up came through after the session had been read. Nobody was
   * told of what it stored, and will be when the session is read again; first what waits is stored or fails.
   */
  async #readAgain(entry: SessionEntry): Promise<void> {
    // What fails sets the entry aside by itself.
    while (!entry.isGone && entry.pendingWrites > 0) await this.#settled(entry).catch(() => undefined);
    if (!entry.isGone) this.#cache.setAside(entry);
  }

  async #repeat(
    entry: SessionEntry,
    known: KnownSend,
    fingerprint: string,
  ): Promise<Exclude<FindSendResult, { kind: 'unknown' }>> {
    if (known.stored !== null) await known.stored;
    if (known.fingerprint !== fingerprint) return { kind: 'id_reused' };
    if (entry.decided.closed === null) this.#touch(entry);
    const { seq, sentAt } = known;
    return { kind: 'duplicate', seq, sentAt, epoch: entry.decided.epoch, durableSeq: entry.lastSeq };
  }

  async #findHolder(document: SessionDocument): Promise<SessionEntry | null> {
    for (const { key } of document.seats) {
      const holder = key === null ? null : await this.#cache.openByKey(key.hash);
      if (holder === null) continue;
      await this.#settled(holder);
      return holder;
    }
    return null;
  }

  async #open(sessionId: string): Promise<SessionEntry | null> {
    this.#refuseWhenStopped();
    return this.#cache.open(sessionId);
  }

  /** Puts a decided write into the queue; resolves with what `show` returns when it is visible. */
  #write<T>(entry: SessionEntry, what: What, show: () => T): Promise<T> {
    const decidedAt = this.#options.now();
    return new Promise<T>((resolve, reject) => {
      this.#commit.add({ entry, decidedAt, ...what, becomeVisible: () => resolve(show()), fail: reject });
    });
  }

  async #settled(entry: SessionEntry): Promise<void> {
    if (entry.pendingWrites > 0) await this.#write(entry, { lasting: false }, () => {});
  }

  /** The refusal, once what it was decided upon is visible: nobody learns of a close or a kick before it is stored. */
  async #once<T>(entry: SessionEntry | null, refusal: T): Promise<T> {
    if (entry !== null) await this.#settled(entry);
    return refusal;
  }

  /** What listeners throw is their fault and not the caller's: what they were told of is stored. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /**
   * What a failed write stored all the same becomes visible: who is there, then what was said, then the close. The
   * other order would let a kicked participant read on, or a message come after the end.
   */
  #recover(broken: SessionEntry, entry: SessionEntry, missed: readonly Message[]): void {
    const [was, is] = [broken.visible, entry.visible];
    if (was === null || is === null) return;
    const [before, after] = [broken.snapshot(was), entry.snapshot(is)];
    const living = new Set(is.seats.map((seat) => seat.id));
    const ended = was.seats
      .filter(({ id }) => !living.has(id))
      .map((seat) => ({ seat, reason: broken.endings.get(seat.id) ?? ('left' as const) }));
    const open = { ...after, document: { ...is, closed: was.closed } };
    this.#tell(() => this.#options.onRecovered({ before, after: open, ended }));
    for (const message of missed) {
      // No connection has this generation: the sender was told that its message may be lost, so it hears of it too.
      this.#tell(() =>
        this.#options.onMessage(deliveryOf(message), { seatId: message.from, generation: NO_GENERATION }),
      );
    }
    if (was.closed !== is.closed) this.#tell(() => this.#options.onRecovered({ before: open, after, ended: [] }));
  }

  #show(entry: SessionEntry, document: SessionDocument): void {
    const before = entry.visible;
    entry.visible = document;
    entry.forgetSeats();
    this.#cache.shown(entry, before);
    this.#due.schedule(entry);
  }

  #touch(entry: SessionEntry): void {
    entry.lastActivityAt = this.#options.now();
    if (!entry.idleWarned) return;
    entry.idleWarned = false;
    this.#due.schedule(entry);
  }

  #refuseWhenStopped(): void {
    if (this.#isStopped) throw new TandemError('UNAVAILABLE', 'The server is stopping: repeat on a new connection.');
  }
}

/** Why this connection may not speak in the session; null when it holds its seat and the session is open. */
function refusalOf(
  entry: SessionEntry | null,
  holder: SeatHolder,
): { kind: 'not_seated' } | { kind: 'session_closed' } | null {
  if (entry === null || heldSeat(entry.decided, holder) === undefined) return { kind: 'not_seated' };
  return entry.decided.closed === null ? null : { kind: 'session_closed' };
}

function idsOf(document: SessionDocument): string[] {
  return document.seats.map((seat) => seat.id);
}

function aheadOfItself(): TandemError {
  return new TandemError('UNAVAILABLE', 'The session is being read again: repeat later with the same id.', {
    retryAfterMs: 1000,
  });
}

function overloaded(): TandemError {
  return new TandemError('UNAVAILABLE', 'Too many writes wait for the database: repeat later with the same id.', {
    retryAfterMs: 1000,
  });
}
