/** Mails on their way, for good: an invitation outlives the process that took it. Times are Unix milliseconds. */
import type { JsonObject } from '../../protocol/session.ts';

export interface NewMail {
  readonly id: string;
  readonly sessionId: string;
  /** Who had it sent: a user id, or the name of an API key. */
  readonly sender: string;
  /** One bare address. */
  readonly recipient: string;
  /** What the template is filled with. It may hold a code: it is forgotten with the recipient once the mail is settled. */
  readonly content: JsonObject;
  readonly now: number;
  /** Of the first attempt. */
  readonly dueAt: number;
}

/** One that is to be tried now. */
export interface DueMail {
  readonly id: string;
  readonly sessionId: string;
  readonly sender: string;
  readonly recipient: string;
  readonly content: JsonObject;
  /** With this one, which counts from when it was handed out, so that one that kills its process is not repeated for ever. */
  readonly attempts: number;
  readonly createdAt: number;
}

/** How an attempt ended; `attempts` tells which. `error` is what the mail server said, without the address. */
export type MailResult = { readonly id: string; readonly attempts: number } & (
  | { readonly kind: 'sent' }
  /** To be tried again. */
  | { readonly kind: 'waiting'; readonly dueAt: number; readonly error: string }
  /** Given up: somebody should look at it. */
  | { readonly kind: 'dead'; readonly error: string }
  /** It would lead nowhere any more, so it is not sent; `error` says why. */
  | { readonly kind: 'withdrawn'; readonly error: string }
);

export interface MailCounts {
  readonly waiting: number;
  readonly dead: number;
}

/** Every method is atomic, and rejects within its deadline when the database does not answer. */
export interface MailQueue {
  /** One that is known by its id changes nothing. */
  enqueue(mail: NewMail): Promise<void>;
  /** Mails that are due, in no order; each is handed out once until the lease has passed, whoever asks. */
  take(now: number, leaseMs: number, atMost: number): Promise<DueMail[]>;
  /** The end of an attempt that another has followed, or of a mail that is settled, changes nothing. */
  settle(results: readonly MailResult[], now: number): Promise<void>;
  counts(): Promise<MailCounts>;
}
