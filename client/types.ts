import type { TandemError } from '../protocol/errors.ts';
import type { CloseReason, JsonObject, JsonValue, LeaveReason, Message, Participant } from '../protocol/session.ts';

/** An application's own map from the type of a message (or signal) to its body, as an interface or a type. */
export type Bodies = object;
/** Any type with any JSON body: what holds unless the application names its own map. */
export type AnyBodies = Record<string, JsonValue>;
/** As {@link AnyBodies}; a signal may also be one binary buffer. */
export type AnySignals = Record<string, JsonValue | Uint8Array>;

export type TypeOf<B extends Bodies> = keyof B & string;

/** A message as it is handed out: typed by the application's map, and decrypted. */
export type ReceivedMessage<B extends Bodies = AnyBodies> = {
  [T in TypeOf<B>]: Omit<Message, 'type' | 'body'> & {
    readonly type: T;
    readonly body: B[T];
    /** Whether this participant wrote it, on whatever device. */
    readonly isOwn: boolean;
  };
}[TypeOf<B>];

export type ReceivedSignal<S extends Bodies = AnySignals> = {
  [T in TypeOf<S>]: { readonly from: string; readonly type: T; readonly body: S[T] };
}[TypeOf<S>];

/** What became of a message that was sent: `duplicate` when an earlier attempt had already stored it. */
export interface SentMessage {
  readonly id: string;
  readonly seq: number;
  /** ISO 8601 UTC. */
  readonly sentAt: string;
  readonly duplicate: boolean;
}

export type QueueState =
  /** Waits for its turn, or for the connection. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'sending' }
  /** An attempt ended without an answer that settles it; it is repeated under the same id. */
  | { readonly kind: 'repeating' }
  /** A limit refused it; it is sent again at `retryAt` (milliseconds since 1970 on this device). */
  | { readonly kind: 'limited'; readonly error: TandemError; readonly retryAt: number };

/** A message that the server has not acknowledged yet. `body` is as the application gave it. */
export interface QueuedMessage<B extends Bodies = AnyBodies> {
  readonly id: string;
  readonly type: TypeOf<B>;
  readonly body: B[TypeOf<B>];
  readonly state: QueueState;
}

/** A message that was given up: refused for good, too old, discarded, or its seat is gone. */
export interface FailedMessage<B extends Bodies = AnyBodies> {
  readonly id: string;
  readonly type: TypeOf<B>;
  readonly body: B[TypeOf<B>];
  readonly error: TandemError;
}

/** Why a message of an encrypted session cannot be read: it was not encrypted, or not with this session's key. */
export type UndecipherableReason = 'plaintext' | 'wrong_key';

/**
 * Why this client no longer has the seat.
 *
 * | reason | |
 * |---|---|
 * | `left` | `leave()` was called here |
 * | `kicked` | the host took the seat away |
 * | `replaced` | the seat goes on on another connection: another tab, or the device that it was handed to |
 * | `revoked` | the login behind the connection was ended |
 * | `unauthenticated` | the server wants a valid token before it gives the seat back |
 * | `rejected` | the server does not know the seat any more: it timed out, or its session is gone |
 * | `abandoned` | this client opened another session |
 */
export type EndReason = 'left' | 'kicked' | 'replaced' | 'revoked' | 'unauthenticated' | 'rejected' | 'abandoned';

export interface SeatEnd {
  readonly reason: EndReason;
  /** Whether `resumeHere()` may bring the seat back. Then the queue is kept; otherwise it has been given up. */
  readonly canResume: boolean;
  readonly error: TandemError | null;
}

/** How the connection stands. Times are milliseconds since 1970 on this device. */
export type ConnectionState =
  /** Nothing wants a connection: before the first create or join, after `close()`, or when a seat has ended. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online' }
  /** The server is about to stop. Commands are still served; then another instance, or the restarted one, takes over. */
  | { readonly kind: 'draining' }
  /**
   * The connection is lost, or could not be made; tried again without end. `retryAt` is null during an attempt. `cause`
   * is what the server said, null when it said nothing.
   */
  | { readonly kind: 'reconnecting'; readonly retryAt: number | null; readonly cause: TandemError | null };

export interface ClientEvents {
  /** The connection's state has changed. */
  connection: ConnectionState;
}

export interface SessionEvents<B extends Bodies = AnyBodies, S extends Bodies = AnySignals> {
  /**
   * The next message, own ones included: each once, in the order of `seq`, everybody sees the same order. Messages wait
   * until the first listener is there.
   */
  message: ReceivedMessage<B>;
  /** The messages from `fromSeq` to `toSeq` no longer exist anywhere. Told at their place among the messages. */
  gap: { readonly fromSeq: number; readonly toSeq: number };
  /**
   * The store lost or changed what this client had seen: every message above `afterSeq` that was handed out is void, and
   * what the store has there now follows. Own messages that it lost are sent again by themselves, under their ids.
   */
  reset: { readonly afterSeq: number };
  /** At its place among the messages, in an encrypted session: one that cannot be read. `message.body` is as stored. */
  undecipherable: { readonly message: Message; readonly reason: UndecipherableReason };
  signal: ReceivedSignal<S>;
  /** An own message is stored. Told before it is handed out as a `message`. */
  sent: SentMessage;
  /** An own message was given up. */
  failed: FailedMessage<B>;
  /** `queue` has changed. */
  queue: readonly QueuedMessage<B>[];
  /** `info` has changed in any way: participants, presence, receipts, code, lock, status. */
  changed: undefined;
  joined: { readonly participant: Participant };
  /** Host: somebody waits for `admit`; `ip` is masked. */
  knock: { readonly knockId: string; readonly name: string | null; readonly ip: string };
  /** `participant` is as it was last seen, null for one that this client never saw. */
  left: { readonly participantId: string; readonly participant: Participant | null; readonly reason: LeaveReason };
  /** Nothing has happened for long; the session closes at this time (ISO 8601) unless something does. Null: it is void. */
  idle: { readonly closesAt: string | null };
  /** The session has closed. `reason` is null when it closed while this client was away. */
  closed: { readonly reason: CloseReason | null };
  /** This client no longer has the seat. */
  ended: SeatEnd;
  /** Storage is full or forbidden: what is queued from now on does not survive a reload. Told once. */
  unstored: undefined;
}

/**
 * What the library needs of a storage: `sessionStorage`, `localStorage`, or an object of the application's own with the
 * same methods. Methods may throw.
 */
export interface SeatStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface QueueBounds {
  /** Most messages that wait at a time: 1,000 unless given. Beyond it `send` is refused with `UNAVAILABLE`. */
  readonly maxMessages?: number;
  /** Most bytes of JSON that wait at a time: 2 MiB unless given. Beyond it `send` is refused with `UNAVAILABLE`. */
  readonly maxBytes?: number;
  /** How long a message may wait, in milliseconds: 24 hours unless given. Then it fails with `UNAVAILABLE`. */
  readonly maxAgeMs?: number;
}

export interface ClientOptions {
  /** Address of the server, such as `https://tandem.example`. In a browser the page's own origin unless given. */
  readonly url?: string;
  /**
   * Gives the access token for the next connection; called before each one, so that it can be refreshed. `isRefused` is
   * true when the server has just refused the one before. Null: none. A rejection is tried again later.
   */
  readonly token?: (request: { readonly isRefused: boolean }) => string | null | Promise<string | null>;
  /**
   * Where seat and queue survive a reload: `sessionStorage` unless given, where there is one. Null: nowhere. With
   * `localStorage` they also survive the end of the tab, and the last tab that resumes has the seat.
   */
  readonly storage?: SeatStorage | null;
  /** Tells clients apart that share a storage: `tandem` unless given. */
  readonly storageKey?: string;
  readonly queue?: QueueBounds;
}

interface OpeningOptions {
  /** Shown to the others: 1 to 64 characters. */
  readonly name?: string;
  /** Gives up. A seat that was taken meanwhile is left. */
  readonly signal?: AbortSignal;
  /** The attempt had no settled outcome and is repeated; null when the server did not answer. */
  readonly onRepeat?: (error: TandemError | null) => void;
}

export interface CreateOptions extends OpeningOptions {
  /** Seats: 2 to 50, 2 unless given. */
  readonly capacity?: number;
  /** The application's own, at most 4 KiB, seen by every participant and by the server. The key `e2e` is the library's. */
  readonly metadata?: JsonObject;
  readonly approval?: boolean;
  /** Whether those who join later get what was said before. */
  readonly shareHistory?: boolean;
  /**
   * End-to-end encryption of bodies of messages and signals. The key is made here and travels in `link()` alone. Refused
   * with `FORBIDDEN` where WebCrypto is missing (a page over plain http that is not localhost), never left out.
   */
  readonly encrypt?: boolean;
}

export interface JoinOptions extends OpeningOptions {
  /** The key of an encrypted session, where `code` is not a link that has it. */
  readonly secret?: string;
}

export interface RequestOptions {
  /** Stops waiting; rejects with the signal's reason. What is under way may still take effect. */
  readonly signal?: AbortSignal;
}

export interface SendOptions extends RequestOptions {
  /**
   * 8 to 64 characters of `A-Z a-z 0-9 _ -`, unlike any other of this participant; random unless given. The same id sent
   * again with the same body is the same message.
   */
  readonly id?: string;
}

export interface SignalOptions extends RequestOptions {
  /** The participant that it is for; all others unless given. */
  readonly to?: string;
}

export interface HistoryOptions extends RequestOptions {
  /** Messages above this seq, upwards. Not together with `beforeSeq`; neither gives the newest. */
  readonly afterSeq?: number;
  readonly beforeSeq?: number;
  /** 1 to 200; 50 unless given. */
  readonly limit?: number;
}

export interface HistoryPage<B extends Bodies = AnyBodies> {
  /** Ascending by `seq`. */
  readonly messages: readonly ReceivedMessage<B>[];
  /** Messages of an encrypted session that cannot be read. */
  readonly undecipherable: readonly SessionEvents['undecipherable'][];
  /** Whether there is more in the direction that was asked for. */
  readonly hasMore: boolean;
  readonly lastSeq: number;
}
