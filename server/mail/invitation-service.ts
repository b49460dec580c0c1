import { TandemError, type PayloadIssue } from '../../protocol/errors.ts';
import type { LimitRequest } from '../../protocol/limits.ts';
import { senderBucket } from '../limits/buckets.ts';
import { limitRequests, type LimitRules } from '../limits/limit-rules.ts';
import type { MailQueue } from '../sessions/mail-queue.ts';
import type { Limits } from '../sessions/ports.ts';
import { rateLimited, refused } from '../sessions/refusals.ts';
import type { Invitation } from './invitation.ts';
import { joinableCode, type InvitingSession } from './joinable-code.ts';
import { noteIssue } from './note.ts';
import { parseRecipient } from './recipient.ts';

export interface InviteRequest {
  /** As the sender sees it now. */
  readonly session: InvitingSession;
  /** A signed-in user, or an API key by its name. */
  readonly sender: { readonly kind: 'user' | 'key'; readonly id: string };
  /** What limits count the sender's address by. */
  readonly ip: string;
  /** Where the link leads; null: nobody knows. */
  readonly origin: string | null;
  readonly to: string;
  readonly note: string | null;
}

export interface InvitationServiceOptions {
  readonly queue: Pick<MailQueue, 'enqueue'>;
  readonly limits: Pick<Limits, 'take'>;
  readonly rules: LimitRules;
  /** Whether there is a mail server, and a sender's address. */
  readonly isConfigured: boolean;
  readonly now: () => number;
  readonly newId: () => string;
  /** A mail waits: nobody has to be called, it is found within seconds anyway. */
  readonly onQueued?: () => void;
}

/** Invitations by mail. Whether the sender may invite to the session is for the caller to decide. */
export class InvitationService {
  readonly #options: InvitationServiceOptions;

  constructor(options: InvitationServiceOptions) {
    this.#options = options;
  }

  /** Throws `UNAVAILABLE` where there is no mail server. */
  assertConfigured(): void {
    if (this.#options.isConfigured) return;
    throw new TandemError('UNAVAILABLE', 'This server sends no mail: pass the code on by yourself.');
  }

  /**
   * Resolves when the mail is stored in the queue; what is refused is not counted. Throws `UNAVAILABLE` (also where there
   * is no mail server), `INVALID_PAYLOAD`, `SESSION_CLOSED`, `SESSION_LOCKED`, `SESSION_FULL`, `SESSION_NOT_FOUND` for a
   * code that expired, `RATE_LIMITED`.
   */
  async invite(request: InviteRequest): Promise<void> {
    this.assertConfigured();
    const { queue, now, newId, onQueued } = this.#options;
    const { session, sender, origin, note } = request;
    const recipient = parseRecipient(request.to);
    const text = note === null || note.trim() === '' ? null : note;
    const issues: PayloadIssue[] = [];
    if (recipient === null) issues.push({ path: 'to', message: 'expected one plain e-mail address' });
    const noteFault = text === null ? null : noteIssue(text);
    if (noteFault !== null) issues.push({ path: 'note', message: noteFault });
    if (recipient === null || noteFault !== null) throw new TandemError('INVALID_PAYLOAD', undefined, { issues });
    if (origin === null) {
      throw new TandemError('UNAVAILABLE', 'This server does not know its own address: it sends no invitations.');
    }
    const joinable = joinableCode(session);
    if (typeof joinable === 'string') throw refused(joinable);
    const { code, codeExpiresAt } = joinable;
    await this.#count(request, recipient.bucket);
    const content: Invitation = { code, codeExpiresAt, origin, note: text };
    const moment = now();
    await queue.enqueue({
      id: newId(),
      sessionId: session.id,
      sender: sender.id,
      recipient: recipient.address,
      content,
      now: moment,
      dueAt: moment,
    });
    onQueued?.();
  }

  /** All limits, or none. Points are not given back when the queue cannot be reached: it may have stored the mail. */
  async #count({ sender, ip }: InviteRequest, recipient: string): Promise<void> {
    const { limits, rules } = this.#options;
    const byUser = limitRequests(rules, [['emails_user', senderBucket(sender.kind, sender.id)]]).map((request) =>
      scopedTo(request, sender.kind),
    );
    // As many from one address as from one user: accounts are for free. What backends have in common is their network.
    const byIp =
      sender.kind === 'key'
        ? []
        : limitRequests(rules, [['emails_user', senderBucket('ip', ip)]]).map((request) => scopedTo(request, 'ip'));
    const byRecipient = limitRequests(rules, [['emails_recipient', recipient]]);
    const requests = [...byUser, ...byIp, ...byRecipient];
    if (requests.length === 0) return;
    const verdict = await limits.take(requests);
    if (verdict.kind === 'taken') return;
    throw rateLimited(verdict.limit, verdict.retryAfterMs);
  }
}

/** The refusal of `emails_user` says whose bucket is exhausted. */
function scopedTo(request: LimitRequest, scope: 'user' | 'key' | 'ip'): LimitRequest {
  return { ...request, info: { ...request.info, scope } };
}
