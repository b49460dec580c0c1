import type { JsonValue, Message } from '../../protocol/session.ts';

/** Milliseconds of `performance.now()`: all clients of a run live in one process, so their times compare. */
type Time = number;

/** How a message reached a client: alone, in `session:resumed`, in an answer to `message:history`, or from the library. */
export type Way = 'live' | 'resumed' | 'history' | 'handed';

/** Why a send has no outcome: the connection went, nothing came in time, or the server said that it may come again. */
export type Doubt = 'disconnected' | 'no_answer' | 'refused_for_now';

/** One thing that happened to a client. `attempt` counts the sends of one id from 1 on. */
export type Entry =
  | { readonly kind: 'invoke'; readonly at: Time; readonly id: string; readonly attempt: number }
  | {
      readonly kind: 'ok';
      readonly at: Time;
      readonly id: string;
      readonly attempt: number;
      readonly seq: number;
      readonly epoch: number;
      readonly duplicate: boolean;
    }
  /** Refused for good: the message was not stored by this attempt. */
  | { readonly kind: 'fail'; readonly at: Time; readonly id: string; readonly attempt: number; readonly code: string }
  | {
      readonly kind: 'unknown';
      readonly at: Time;
      readonly id: string;
      readonly attempt: number;
      readonly why: Doubt;
      readonly code?: string;
    }
  | { readonly kind: 'seen'; readonly at: Time; readonly way: Way; readonly message: Message }
  /** The client was told that these messages exist nowhere any more. */
  | { readonly kind: 'gap'; readonly at: Time; readonly fromSeq: number; readonly toSeq: number }
  /** The client was told that all it had above `afterSeq` is void. */
  | { readonly kind: 'reset'; readonly at: Time; readonly afterSeq: number; readonly epoch: number }
  | { readonly kind: 'head'; readonly at: Time; readonly epoch: number; readonly lastSeq: number }
  | { readonly kind: 'connected'; readonly at: Time }
  /** The seat is this client's again: from here on it is served. */
  | { readonly kind: 'resumed'; readonly at: Time; readonly epoch: number; readonly lastSeq: number }
  | { readonly kind: 'disconnected'; readonly at: Time; readonly reason: string }
  /** The handshake was refused. */
  | { readonly kind: 'refused'; readonly at: Time; readonly code: string }
  | { readonly kind: 'closing'; readonly at: Time; readonly reason: string }
  /** The fault, not the server: this client's own network is cut, or whole again. */
  | { readonly kind: 'network'; readonly at: Time; readonly isCut: boolean }
  /** The seat was taken away from this client by somebody who had been answered ok. */
  | { readonly kind: 'revoked'; readonly at: Time };

/** All that one client did, was answered and was told: the ground on which the promise is judged. */
export interface ClientRecord {
  readonly client: string;
  /** `stock`: a plain Socket.IO client, at least once and in any order; `library`: once and in order. */
  readonly kind: 'stock' | 'library';
  readonly sessionId: string;
  readonly participantId: string;
  /** Head of the session when the seat was taken: the client's history begins after it. */
  readonly joinedSeq: number;
  readonly entries: readonly Entry[];
  /** Everything that it ever sent. */
  readonly bodies: ReadonlyMap<string, JsonValue>;
}

/** What happened to a client from then on, newest first: what came before it is not looked at, however much that is. */
export function* entriesSince({ entries }: ClientRecord, at: number): Generator<Entry> {
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index];
    if (entry === undefined || entry.at < at) return;
    yield entry;
  }
}

type Unstamped<E> = E extends Entry ? Omit<E, 'at'> : never;

/** A record that is being written. */
export class RecordBook implements ClientRecord {
  readonly client: string;
  readonly kind: 'stock' | 'library';
  readonly sessionId: string;
  readonly participantId: string;
  readonly joinedSeq: number;
  readonly entries: Entry[] = [];
  readonly bodies = new Map<string, JsonValue>();
  readonly #now: () => number;

  constructor(head: Omit<ClientRecord, 'entries' | 'bodies'>, now: () => number = () => performance.now()) {
    this.client = head.client;
    this.kind = head.kind;
    this.sessionId = head.sessionId;
    this.participantId = head.participantId;
    this.joinedSeq = head.joinedSeq;
    this.#now = now;
  }

  add(entry: Unstamped<Entry>): void {
    this.entries.push({ ...entry, at: this.#now() });
  }
}
