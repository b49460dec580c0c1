/**
 * What the domain needs from others. Where two implementations stand behind a port, one conformance suite runs against
 * both, and the guarantees below are what it checks.
 */
import type { EventName, Events } from '../../protocol/events.ts';
import type { LimitInfo } from '../../protocol/errors.ts';
import type { LimitCount, LimitRequest } from '../../protocol/limits.ts';
import type { ClosingReason } from '../../protocol/closings.ts';
import type {
  ActivityState,
  CloseReason,
  JsonValue,
  LeaveReason,
  Message,
  Role,
  SessionStatus,
} from '../../protocol/session.ts';
import type { Span } from '../observability/span.ts';
import type { Delivery } from './message-text.ts';
import type { Deadline } from './deadlines.ts';
import type { EndedSeat, Rule, SeatHolder, SessionDocument } from './session.ts';

/** One consistent look at a session: all of it was stored at the session's level before anybody saw it. */
export interface SessionSnapshot {
  readonly document: SessionDocument;
  readonly lastSeq: number;
  readonly durableSeq: number;
  readonly lastActivityAt: number;
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly activity: ReadonlyMap<string, ActivityState>;
}

export interface Receipt {
  readonly delivered: number;
  readonly read: number;
}

export type ChangeResult<O> =
  | { readonly kind: 'decided'; readonly outcome: O; readonly snapshot: SessionSnapshot }
  | { readonly kind: 'no_such_session' }
  /** The rule wanted a code that leads elsewhere. */
  | { readonly kind: 'code_taken' };

/** A message as it is accepted, before it has a number. */
export interface AppendRequest {
  readonly sessionId: string;
  /** A seat, or `SERVER`. */
  readonly sender: SeatHolder;
  readonly id: string;
  readonly type: string;
  readonly body: JsonValue;
  /** The body as JSON text: measured at the edge, stored as it is. */
  readonly bodyJson: string;
  /** Tells content from content: equal for equal type and body. Callers make it with `fingerprintOf`. */
  readonly fingerprint: string;
  /** Limits that this message counts for: all of them, or none when one refuses or the id is known. */
  readonly limits: readonly LimitRequest[];
  /** Of the send, where it is traced: goes with the message to other instances, and is not stored. */
  readonly span?: Span | null;
}

export type { LimitCount, LimitRequest };
export { MOST_REPORTS, REPORT_LIFE_MS, type InstanceReports } from './instance-reports.ts';
export type { DueMail, MailCounts, MailQueue, MailResult, NewMail } from './mail-queue.ts';

/** What a sender learns of a message that was accepted, now or before. */
export interface Accepted {
  readonly seq: number;
  readonly sentAt: number;
  readonly epoch: number;
  readonly durableSeq: number;
}

export type AppendResult =
  | ({ readonly kind: 'appended' } & Accepted)
  | ({ readonly kind: 'duplicate' } & Accepted)
  | { readonly kind: 'id_reused' }
  | { readonly kind: 'rate_limited'; readonly limit: LimitInfo; readonly retryAfterMs: number }
  | { readonly kind: 'session_closed' }
  | { readonly kind: 'not_seated' }
  | { readonly kind: 'no_such_session' };

export type FindSendResult =
  ({ readonly kind: 'duplicate' } & Accepted) | { readonly kind: 'id_reused' } | { readonly kind: 'unknown' };

/** `afterSeq` gives the lowest seqs above it, `beforeSeq` the highest below it; both exclusive. */
export type LogRange =
  { readonly afterSeq: number; readonly limit: number } | { readonly beforeSeq: number; readonly limit: number };

/** Messages ascending, without a hole. */
export interface LogPage {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly durableSeq: number;
  /** Lowest seq that the log still holds; `lastSeq + 1` when it is empty. */
  readonly firstSeq: number;
  readonly messages: readonly Message[];
  /** Bytes of each of these messages as JSON. */
  readonly messageBytes: readonly number[];
}

export type ReceiptResult =
  | { readonly kind: 'recorded'; readonly receipt: Receipt; readonly changed: boolean }
  | { readonly kind: 'above_head'; readonly lastSeq: number }
  | { readonly kind: 'session_closed' }
  | { readonly kind: 'not_seated' };

export type TouchResult =
  { readonly kind: 'touched' } | { readonly kind: 'session_closed' } | { readonly kind: 'not_seated' };

export type CreateResult =
  | { readonly kind: 'created'; readonly snapshot: SessionSnapshot }
  | { readonly kind: 'code_taken' }
  /** The key of the first seat took another seat before; that one's session is stored. */
  | { readonly kind: 'key_taken'; readonly sessionId: string };

/** A session whose deadline has come. */
export interface DueSession {
  readonly sessionId: string;
  readonly deadline: Deadline;
}

export interface StateCounts {
  readonly sessions: { readonly waiting: number; readonly paired: number };
  readonly participants: { readonly online: number; readonly away: number };
  /** Writes that wait for the durable store. */
  readonly backlog: number;
  /** How long the oldest of them has been waiting, in milliseconds; 0 when none waits. */
  readonly oldestWriteAgeMs: number;
}

/**
 * Hot state of the open sessions.
 *
 * Guarantees, whatever implements it:
 * - What a method reports, and what `onVisible` and the message listener are called with, was stored at the session's
 *   level before. Nothing is visible to anybody, in any method, before that.
 * - Calls of `onVisible` and of the message listener for one session come in the order in which the changes were
 *   decided, synchronously, so whoever attaches a connection in them misses nothing that follows.
 * - Per session `seq` is 1, 2, 3 … without a hole; one `(sender, id)` is appended at most once within the retry
 *   horizon, and its repetition is recognised before any limit, and after the close.
 * - Of two changes that exclude each other (the last seat, one code, one key) exactly one happens.
 * - A method that rejects with `UNAVAILABLE` has an unknown outcome; repeating it with the same id or key is safe.
 * - What was stored although its method rejected becomes visible all the same, at the latest with the next `takeDue`:
 *   the recovery listener hears of the changes, then the message listener of the messages, then, if the session was
 *   closed, the recovery listener of the close.
 */
export interface SessionState {
  /** `onVisible` runs only when the session was created. */
  create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult>;
  /** Runs the rule on the current document, stores what it decided. `onVisible` runs in any case that was decided. */
  change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible?: (outcome: O, snapshot: SessionSnapshot) => void,
  ): Promise<ChangeResult<O>>;
  read(sessionId: string): Promise<SessionSnapshot | null>;
  /** The session that a code leads to, open or closed, until the code dies or expires. */
  findByCode(code: string): Promise<string | null>;
  /** The session with a seat that was taken with this key. */
  findByKey(keyHash: string): Promise<string | null>;
  /** Codes that are alive: what the length of the next one is computed from. */
  countLiveCodes(): Promise<number>;

  append(request: AppendRequest): Promise<AppendResult>;
  /** Whether this participant sent that id before; also in a closed session. */
  findSend(sessionId: string, seatId: string, id: string, fingerprint: string): Promise<FindSendResult>;
  readLog(sessionId: string, range: LogRange): Promise<LogPage | null>;
  recordReceipt(sessionId: string, holder: SeatHolder, receipt: Partial<Receipt>): Promise<ReceiptResult>;
  /** A command that counts as activity; `state` when it also reports one. */
  touch(sessionId: string, holder: SeatHolder, state?: ActivityState): Promise<TouchResult>;
  /** `activity:report` with `idle`: no activity. */
  reportIdle(sessionId: string, holder: SeatHolder): Promise<TouchResult>;

  /**
   * At most `limit` sessions whose next deadline is not after now. A `warn` is handed out once per idle stretch; a
   * deadline that is not acted upon comes again.
   */
  takeDue(limit: number): Promise<DueSession[]>;
  /** Sessions whose head moved since the last call. */
  takeMovedHeads(): Promise<{ sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[]>;
  /** Passes the way that a message passes; rejects when messages can't pass. */
  probe(): Promise<void>;
  counts(): StateCounts;
  start(): Promise<void>;
  /** Stores what is decided, then refuses. May be called twice. */
  stop(): Promise<void>;
}

/** Who sent a message. */
export interface MessageSender extends SeatHolder {
  /** Of the append on another instance, where it is traced. */
  readonly traceparent?: string;
}

/** Called for each message when it becomes visible; `sender` is who must not get it again. */
export type MessageListener = (message: Delivery, sender: MessageSender) => void;

/** What a session became by changes that were stored although their callers were told that this is unknown. */
export interface Recovery {
  /** What was visible when the answer was lost. */
  readonly before: SessionSnapshot;
  /** What is stored. A seat that is new is away: whoever took it was not told so. */
  readonly after: SessionSnapshot;
  /** Seats of `before` that are no more. */
  readonly ended: readonly Pick<EndedSeat, 'seat' | 'reason'>[];
}

/** Called after a failed write, before anything else becomes visible of the session; nothing may have changed. */
export type RecoveryListener = (recovery: Recovery) => void;

/** A session as the durable store keeps it. Presence, generations and connections are not part of it: a restart forgets them. */
export interface StoredSession {
  readonly document: SessionDocument;
  readonly lastSeq: number;
  readonly lastActivityAt: number;
  readonly receipts: ReadonlyMap<string, Receipt>;
}

/** How far a session is stored. */
export interface StoredHead {
  readonly id: string;
  readonly epoch: number;
  readonly lastSeq: number;
  /** Of the document, within its epoch; 0 where none was named. */
  readonly version: number;
}

/** A message on its way into the durable store. */
export interface StoredMessage {
  readonly sessionId: string;
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
  /** Null for one that the server itself sent. */
  readonly participantId: string | null;
  readonly type: string;
  readonly bodyJson: string;
  readonly sentAt: number;
}

export interface StoredSend {
  /** Null for one of the server itself. */
  readonly participantId: string | null;
  readonly id: string;
  readonly seq: number;
  readonly sentAt: number;
  readonly type: string;
  readonly bodyJson: string;
}

/** What one transaction stores: all of it, or nothing. */
export interface CommitBatch {
  /** Sessions whose document changed: written with all living seats that `seats` names as changed. */
  readonly sessions: readonly {
    readonly document: SessionDocument;
    readonly changedSeatIds: readonly string[];
    readonly lastActivityAt: number;
    /**
     * Grows with each change of the document; names it where several writers store what they saw: of the session and
     * each of its seats the highest stays. None, or 0: there is one writer, and what it says is stored.
     */
    readonly version?: number;
  }[];
  readonly ended: readonly (EndedSeat & { readonly sessionId: string })[];
  /** Per session ascending and without a hole, following what is stored. */
  readonly messages: readonly StoredMessage[];
  readonly receipts: readonly {
    readonly sessionId: string;
    readonly seatId: string;
    readonly delivered: number;
    readonly read: number;
  }[];
}

/** A part of a list, newest first. */
export interface PageRequest {
  /** Where the page before this one ended; null for the first. */
  readonly cursor: string | null;
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Null when there is no more. */
  readonly nextCursor: string | null;
}

/** Something that happened to a session. */
export interface TimelineEntry {
  readonly at: number;
  readonly kind:
    | 'created'
    | 'joined'
    | 'paired'
    | RecordedEvent['kind']
    | 'left'
    | 'host_changed'
    | 'locked'
    | 'unlocked'
    | 'code_changed'
    | 'rebuilt'
    | 'closed';
  /** Of a seat; null for what concerns all. */
  readonly participantId: string | null;
  /** Of `left` and `closed`, and as of a `RecordedEvent`. */
  readonly reason: string | null;
  /** How often, of those that are counted together; 1 of all others. */
  readonly count: number;
}

/** What happened to a participant, and no stored row tells of. Never a body, a name or an address. */
export interface RecordedEvent {
  /** Of the event: by it a repetition is recognised. */
  readonly id: string;
  readonly sessionId: string;
  readonly at: number;
  /** `away`: its connection was lost. `resumed`: it is back. `limited`: limits refused what it asked for. */
  readonly kind: 'away' | 'resumed' | 'limited';
  readonly participantId: string;
  /** Of `limited` the name of the limit; of `resumed` `reset` where it was one. */
  readonly reason: string | null;
  /** Refusals since `at`, of `limited`; 1 of the others. */
  readonly count: number;
}

/** A seat that a user has in a session, or had. */
export interface StoredSeatOfUser {
  readonly participantId: string;
  readonly joinedAt: number;
  /** The head when the seat was taken: without `shareHistory` the user sees what came after it. */
  readonly joinedSeq: number;
  /** Null while the seat lives, and of one that lived when its session closed. `seq`: what is above it was sent later. */
  readonly left: { readonly at: number; readonly reason: LeaveReason; readonly seq: number } | null;
}

/** A seat that was left, or that its participant was removed from. */
export interface StoredLeftSeat {
  readonly id: string;
  readonly role: Role;
  readonly name: string | null;
  readonly userId: string | null;
  readonly joinedAt: number;
  readonly joinedSeq: number;
  readonly delivered: number;
  readonly read: number;
  readonly left: { readonly at: number; readonly reason: LeaveReason };
}

/** What was counted on one day in UTC. Sums are over what the number beside them counts. */
export interface DailyAnalytics {
  /** `2026-01-31` */
  readonly day: string;
  /** Created on that day. */
  readonly sessions: number;
  /** Sessions whose second participant arrived on that day, for the first time. */
  readonly pairings: number;
  readonly timeToPairMs: number;
  readonly messages: number;
  /** Closed on that day, and how long those had lasted together. */
  readonly closed: Readonly<Record<CloseReason, number>>;
  readonly durationMs: number;
}

/** What is to go: see the SQL function `expire_rows`. */
export interface ExpireRequest {
  /** Messages, events, closed sessions and settled mails from before it go. */
  readonly olderThan: number;
  /** Of an open session so many messages stay, however old they are. */
  readonly keepNewest: number;
  /** Tokens, logins and revocations that have expired by then go. */
  readonly now: number;
  /** Of each kind. */
  readonly atMost: number;
}

/** How many went; `more`: there is more to do at once. */
export interface Expired {
  readonly messages: number;
  readonly sessions: number;
  readonly events: number;
  readonly tokens: number;
  readonly logins: number;
  readonly revocations: number;
  readonly mails: number;
  readonly more: boolean;
}

/**
 * Lasting state.
 *
 * Guarantees: `commit` is atomic, and what it stored survives `kill -9` of this process once it resolves. It refuses
 * (rejects with `DivergenceError`, storing nothing) a message whose seq is taken by other content, or that does not
 * follow the stored head, and a session whose stored epoch is another. A write that is repeated after an unknown
 * outcome changes nothing. Every method rejects within its deadline when the database does not answer.
 */
export interface DurableStore {
  commit(batch: CommitBatch): Promise<void>;
  /** Open sessions, and closed ones whose code would still be found. Seats come back `away` since `now`. */
  loadSessions(now: number): Promise<StoredSession[]>;
  /** One session, open or closed; null when there is none. A closed one has the seats that lived when it closed. */
  loadSession(sessionId: string, now: number): Promise<StoredSession | null>;
  readMessages(sessionId: string, range: LogRange): Promise<Message[]>;
  findSend(sessionId: string, participantId: string | null, id: string): Promise<StoredSend | null>;
  /** Sends since that time, newest first, at most `limit`. */
  recentSends(sessionId: string, since: number, limit: number): Promise<StoredSend[]>;
  /**
   * The hot state of the session is lost: begins a new epoch, if the stored one is still `knownEpoch`. Gives the epoch
   * that holds; null when there is no such session, or it is closed. Who writes under an older one is refused from then on.
   * Waits for a commit under way to the session, also when it begins none.
   */
  raiseEpoch(sessionId: string, knownEpoch: number): Promise<number | null>;
  /** The open session that this code leads to, by what is stored; null when there is none. */
  findByCode(code: string, now: number): Promise<string | null>;
  /** The open session with a living seat that was taken with this key; null when there is none. */
  findByKey(keyHash: string): Promise<string | null>;
  /** How far open sessions are stored, ascending by id, from the first `above` that one; at most `limit`. */
  openHeads(above: string | null, limit: number): Promise<StoredHead[]>;
  /** Those of these sessions that are closed. */
  closedAmong(sessionIds: readonly string[]): Promise<{ readonly id: string; readonly epoch: number }[]>;
  /**
   * Sessions, newest first. Pages that follow a cursor repeat and skip nothing that was there when the first was read,
   * whatever is added meanwhile. `INVALID_PAYLOAD` for a cursor that this list did not give, here and below.
   */
  listSessions(status: SessionStatus | null, page: PageRequest, now: number): Promise<Page<StoredSession>>;
  /**
   * As `listSessions`, those whose id begins with it, in hexadecimal digits with hyphens or without, or the name of
   * somebody who sits there, or sat there when it closed: upper and lower case alike, as the database tells them.
   */
  searchSessions(
    search: string,
    status: SessionStatus | null,
    page: PageRequest,
    now: number,
  ): Promise<Page<StoredSession>>;
  /** Sessions in which the user has a seat or had one. */
  sessionsOfUser(userId: string, page: PageRequest, now: number): Promise<Page<StoredSession>>;
  /** Seats of the session that were left, the last taken first, at most 100. */
  leftSeats(sessionId: string): Promise<StoredLeftSeat[]>;
  /** Seats of the user in that session, the latest first, at most 100; empty when the user never took part. */
  seatsOfUser(sessionId: string, userId: string): Promise<StoredSeatOfUser[]>;
  /**
   * Stores events after they happened, each id once in a call; of one that is stored already the higher count. Of a session
   * the newest 1,000 are kept, besides those that `commit` brings about. Repeating it is safe.
   */
  recordEvents(events: readonly RecordedEvent[]): Promise<void>;
  /** What happened to a session. */
  sessionEvents(sessionId: string, page: PageRequest): Promise<Page<TimelineEntry>>;
  /** Days from the one to the other, both included, as `2026-01-31`; ascending, without those on which nothing was. */
  analytics(fromDay: string, toDay: string): Promise<DailyAnalytics[]>;
  /** Removes a bounded number of what has had its time; null while another instance does. */
  expire(request: ExpireRequest): Promise<Expired | null>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
}

/** What of a session the archive does not have: all of it was stored at the session's level. */
export interface UnarchivedSession {
  readonly sessionId: string;
  readonly epoch: number;
  readonly document: SessionDocument;
  /** Of the document: a later one is never overwritten. */
  readonly version: number;
  readonly lastActivityAt: number;
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly ended: readonly EndedSeat[];
  /** The lowest that are not archived, ascending, without a hole. */
  readonly messages: readonly StoredMessage[];
  /** The archive has everything up to here. */
  readonly durableSeq: number;
  /** What of it the archive has as it is here: not stored again with new messages. */
  readonly archived: { readonly document: boolean; readonly receipts: boolean };
  /** How long until its next try, of a session that is set aside: 0 when it has come. Null for any other. */
  readonly asideMs: number | null;
}

/**
 * Where the archiver finds its work. What was taken is left to the one who took it for a while, and comes again when
 * nobody settled it; a session is settled when nothing came since it was read.
 */
export interface ArchiveSource {
  /** At most about `limit` sessions, and for how long they have been waiting. */
  take(limit: number): Promise<{ readonly sessionId: string; readonly sinceMs: number }[]>;
  /** Sessions of the whole deployment whose document is another than the archived one, at most `limit`; nothing is taken. */
  changed(limit: number): Promise<string[]>;
  /** Null when the session is gone. */
  read(sessionId: string, maxMessages: number): Promise<UnarchivedSession | null>;
  /** `more`: something came since, or was left over; it will be taken again. */
  settle(session: UnarchivedSession): Promise<'done' | 'more' | 'gone'>;
  /** What is named here is stored, and the archive refuses more that was read. The session stays to be taken. */
  settlePart(session: UnarchivedSession): Promise<'settled' | 'gone'>;
  /**
   * Puts off a session that the archive refuses: it is taken again after a minute, and after twice as long each time that
   * it comes back here, up to ten minutes, for all instances, whatever comes for it meanwhile. `settle` ends that. `news`:
   * it was not set aside, or for another reason. `gone`: it is another session by now. Epoch null: nobody could read it.
   */
  setAside(sessionId: string, epoch: number | null, reason: string): Promise<'news' | 'known' | 'gone'>;
  /** Ends that of a session that was put back since under a new epoch; of another it changes nothing, and gives false. */
  release(sessionId: string): Promise<boolean>;
  /** Sessions that are set aside, in the whole deployment. */
  countAside(): Promise<number>;
}

/**
 * What became of all that was to be archived of a session. `refused`: the archive does not take a part of it, whoever asks;
 * `unavailable`: it could not be asked, or is not done yet; `gone`: there is no such session, or it is another by now.
 */
export type ArchiveOutcome = 'stored' | 'refused' | 'unavailable' | 'gone';

/** The instances that share the state. */
export interface Deployment {
  /** Counts this instance's heartbeat; gives those of all. One below zero is of an instance that has left. */
  beat(instanceId: string): Promise<ReadonlyMap<string, number>>;
  /** Sessions of these partitions with a seat that the instance holds. */
  heldBy(instanceId: string, partitions: readonly number[]): Promise<string[]>;
  /** The instance stops: it works for nobody any more, and keeps its seats until it is forgotten, so that they may move. */
  leave(instanceId: string): Promise<void>;
  /** Takes the instance off the list; false while a session still has a seat that it holds. */
  forget(instanceId: string): Promise<boolean>;
}

/** What the database holds contradicts what was to be written: an alarm, never an overwrite. */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
}

/** The database said no (a constraint, a full disk …): nothing of the batch was stored. Any other failure leaves it unknown. */
export class RefusedCommitError extends Error {
  override readonly name = 'RefusedCommitError';
}

export type LimitVerdict =
  { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly limit: LimitInfo; readonly retryAfterMs: number };

/**
 * Limits that hold across the deployment and are not part of an append. A window slides: in no window of the duration
 * are more points taken than the limit has.
 */
export interface Limits {
  /** Takes a point of each, or of none when one refuses; the refusal names the limit with the longest wait. */
  take(requests: readonly LimitRequest[]): Promise<LimitVerdict>;
  /** Takes a point and tells what is left; a refusal blocks the bucket for `blockMs`, unless it is blocked already. */
  count(request: LimitRequest): Promise<LimitCount>;
  /** The point of a `count` was for nothing. */
  giveBack(request: LimitRequest, takenAt: number): Promise<void>;
  /** Counts a failure; with the last point the bucket is blocked for `blockMs`. Never refuses. */
  recordFailure(request: LimitRequest): Promise<void>;
  /** Milliseconds until the bucket has room again; 0 when it has. Counts nothing. */
  waitOf(request: LimitRequest): Promise<number>;
}

/** A connection as the domain sees it: the seat that it holds. */
export interface Connection {
  readonly id: string;
}

/**
 * How the domain speaks to clients. One implementation (Socket.IO); a port because the domain is called by the edge and
 * may not import it. Best effort: an event may be lost, the log heals it.
 */
export interface SessionEvents {
  /**
   * The connection belongs to the session from here on; what is sent to it is held back until its answer is out. An
   * earlier one of the seat is replaced. `readingSince`, in unix ms: the session is closed, and its seats keep their
   * generations, whoever comes to read.
   */
  attach(connection: Connection, sessionId: string, holder: SeatHolder, readingSince?: number | null): void;
  /** Detaches the connection of a seat, if it still holds it. */
  detach(sessionId: string, seatId: string): void;
  toAll<E extends EventName>(sessionId: string, event: E, payload: Events[E]): void;
  toOthers<E extends EventName>(sessionId: string, seatId: string, event: E, payload: Events[E]): void;
  /** To the connection that holds the seat, on whichever instance it is. */
  toSeat<E extends EventName>(sessionId: string, seatId: string, event: E, payload: Events[E]): void;
  /** Ends a connection that this instance holds under an earlier generation of the seat. */
  replaceSeat(sessionId: string, seatId: string, generation: number): void;
  /** To those whose connection this instance holds. */
  toHere<E extends EventName>(sessionId: string, event: E, payload: Events[E]): void;
  /** The seats whose connection this instance holds. */
  seatsHere(sessionId: string): readonly (SeatHolder & { readonly sessionId: string })[];
  /** Signals go to whoever keeps up; a slow reader misses them first. */
  signal(sessionId: string, from: string, payload: Events['signal:new'], to: string | null): void;
  /** Says `connection:closing` to the connection that holds the seat, then ends it. */
  closeSeat(sessionId: string, seatId: string, reason: ClosingReason): void;
  /** Has whoever waits for this knock look at it again, at whichever instance. When it is lost, the joiner waits 2 s longer. */
  answerKnock(knockId: string): void;
  /** Has the listener called for each `answerKnock`; it says whether the joiner waits at this instance. */
  onKnockAnswered(listener: (knockId: string) => boolean): void;
}
