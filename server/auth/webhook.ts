import { z } from 'zod';
import { TandemError, type PayloadIssue } from '../../protocol/errors.ts';
import { inspectJson } from '../../protocol/json.ts';
import { SIZES } from '../../protocol/limits.ts';
import type { SignOut } from './sign-out.ts';
import { verifyWebhook, webhookKeys, type SignedHeaders } from './webhook-signature.ts';

/** As long as a recorded message could be brought again: it may be 5 minutes early, and then 5 late. */
const REMEMBERED_MS = 11 * 60_000;
const MOST_REMEMBERED = 10_000;

export type WebhookOutcome =
  /** The user's tokens count no more. */
  | 'done'
  /** It was brought before. */
  | 'repeated'
  /** Of a type that is none of ours: its sender need not bring it again. */
  | 'ignored';

export interface WebhookOptions {
  /** Null: nothing is signed rightly. */
  readonly secret: string | null;
  readonly signOut: Pick<SignOut, 'endUser' | 'deleteUser'>;
  readonly now: () => number;
}

const ENVELOPE = z.looseObject({
  type: z.string().min(1).max(128),
  timestamp: z.unknown().optional(),
  data: z.unknown(),
});
const id = z.string().min(1).max(255);
const DATA = z.looseObject({
  userId: id.optional(),
  user_id: id.optional(),
  sub: id.optional(),
  user: z.looseObject({ id }).optional(),
  id: id.optional(),
});

/** What somebody who keeps users tells us of them, signed by the rules of Standard Webhooks. */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #keys: readonly Buffer[];
  /** What was done, or is being done, by the id of its message; in the order of their expiry. */
  readonly #known = new Map<string, { readonly done: Promise<WebhookOutcome>; readonly expiresAt: number }>();

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#keys = options.secret === null ? [] : webhookKeys(options.secret);
  }

  /**
   * `rawBody` as it came: the signature is over its bytes. Resolves when it is done for good; the same message again has no
   * effect. Rejects with `UNAUTHENTICATED`, `INVALID_PAYLOAD`, and with `UNAVAILABLE` when it has to be brought again.
   */
  async handle(headers: SignedHeaders, rawBody: Buffer): Promise<WebhookOutcome> {
    const { now } = this.#options;
    const verified = verifyWebhook(this.#keys, headers, rawBody, now());
    if (typeof verified === 'string') {
      const detail = 'This is not signed by the secret of webhooks, or too long ago.';
      throw new TandemError('UNAUTHENTICATED', detail, { cause: new Error(verified) });
    }
    const known = this.#known.get(verified.id);
    if (known !== undefined && known.expiresAt > now()) {
      await known.done;
      return 'repeated';
    }
    const done = this.#act(rawBody, verified.signedBy);
    this.#remember(verified.id, done);
    try {
      return await done;
    } catch (error) {
      this.#known.delete(verified.id);
      throw error;
    }
  }

  /** Each effect is the same when it comes twice, at another instance too: what began since the event stays. */
  async #act(rawBody: Buffer, signedBy: number): Promise<WebhookOutcome> {
    const { signOut } = this.#options;
    const payload = parseBody(rawBody);
    const envelope = ENVELOPE.safeParse(payload);
    if (!envelope.success) throw invalid({ path: 'type', message: 'expected the type of an event' });
    const moment = this.#momentOf(envelope.data.timestamp, signedBy);
    switch (envelope.data.type) {
      case 'user.deleted':
        await signOut.deleteUser(userOf(envelope.data.data), moment);
        return 'done';
      case 'user.password_changed':
      case 'user.logged_out':
        await signOut.endUser(userOf(envelope.data.data), moment);
        return 'done';
      default:
        return 'ignored';
    }
  }

  /**
   * When it happened, by its own word, else when it was signed: never when it came. So a recording, or a repeat of the
   * sender's, ends nothing that began since, at whichever instance it comes, though none remembers what another one did.
   */
  #momentOf(timestamp: unknown, signedBy: number): number {
    const told = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN;
    // A whole second is one of a clock that counts in seconds: all of it.
    const at = Number.isNaN(told) ? signedBy : told % 1000 === 0 ? told + 999 : told;
    // What is still to come would keep the next login out, too.
    return Math.min(at, signedBy, this.#options.now());
  }

  #remember(id: string, done: Promise<WebhookOutcome>): void {
    const now = this.#options.now();
    this.#known.delete(id);
    this.#known.set(id, { done, expiresAt: now + REMEMBERED_MS });
    for (const [known, { expiresAt }] of this.#known) {
      if (expiresAt > now && this.#known.size <= MOST_REMEMBERED) break;
      this.#known.delete(known);
    }
  }
}

/** `data.userId`; or what others call it. */
function userOf(data: unknown): string {
  const parsed = DATA.safeParse(data);
  const { userId, user_id, sub, user, id } = parsed.success ? parsed.data : {};
  const found = userId ?? user_id ?? sub ?? user?.id ?? id;
  if (found !== undefined) return found;
  throw invalid({ path: 'data.userId', message: 'expected the id of a user' });
}

function parseBody(rawBody: Buffer): unknown {
  let payload: unknown;
  try {
    payload = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(rawBody));
  } catch {
    throw invalid({ path: '', message: 'expected JSON in UTF-8' });
  }
  const issue = inspectJson(payload, SIZES.depth);
  if (issue !== null) throw invalid(issue);
  return payload;
}

function invalid(issue: PayloadIssue): TandemError {
  return new TandemError('INVALID_PAYLOAD', undefined, { issues: [issue] });
}
