import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { INVITATION } from '../mail/invitation.ts';
import { writeInvitation } from '../mail/invitation-mail.ts';
import { joinableCode, type InvitingSession } from '../mail/joinable-code.ts';
import { LONGEST_ATTEMPT_MS, MOST_CONNECTIONS, type MailSender, type SendResult } from '../mail/smtp-sender.ts';
import type { DueMail, MailQueue, MailResult } from '../sessions/mail-queue.ts';
import { createLoop, type Job } from './loop.ts';

/** How soon a mail that this instance queued is on its way. */
const TURN_MS = 250;
/** How soon one is found that another instance left behind, or whose time has come. */
const LOOK_MS = 5000;
/** Twice what an attempt takes: nobody else takes a mail that is still under way. */
const LEASE_MS = 2 * LONGEST_ATTEMPT_MS;
/** Greylisting lets a mail in after minutes, and a code lives for some of them: so the first attempts come soon. */
const FIRST_DELAY_MS = 5000;
const LONGEST_DELAY_MS = 6 * 3_600_000;
const MOST_ATTEMPTS = 12;
const STOP_MS = 5000;

export interface MailQueueOptions {
  readonly queue: Pick<MailQueue, 'take' | 'settle'>;
  readonly sender: MailSender;
  /** The session as it is now; null: there is none any more. While it can't be told, nothing is sent. */
  readonly look: (sessionId: string) => Promise<InvitingSession | null>;
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random?: () => number;
  /** How long a stop waits for mails under way. What is given up then is tried again when its lease is over. */
  readonly stopMs?: number;
  readonly metrics: Pick<Metrics, 'email'>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly onError: (error: unknown) => void;
}

export interface MailQueueJob extends Job {
  /** A mail was queued here: it need not be looked for. */
  wake(): void;
  /** Whether the mail server took the last mail that was brought to it. */
  status(): 'ok' | 'degraded';
}

/**
 * Brings mails from the queue to the mail server. Instances share the queue: each mail is with one of them at a time, by
 * its lease. A process that dies between the server's answer and its own note of it sends the mail twice, under the same
 * Message-ID.
 */
export function createMailQueue(options: MailQueueOptions): MailQueueJob {
  const { queue, sender, look, now, random = Math.random, stopMs = STOP_MS, metrics, logger, onError } = options;
  let isWell = true;
  let isStopping = false;
  /** Of a clock that nobody sets. */
  let lookAt = 0;
  let giveUp = new AbortController();
  /** How attempts ended that the database was not told of: before that nothing else is sent. */
  const untold: MailResult[] = [];

  const settle = (result: MailResult) => {
    untold.push(result);
    return tell();
  };

  const tell = async () => {
    const results = [...untold];
    if (results.length === 0) return;
    await queue.settle(results, now());
    untold.splice(0, untold.length, ...untold.filter((result) => !results.includes(result)));
  };

  const bury = ({ id, sessionId, recipient, attempts }: DueMail, reason: string) => {
    metrics.email('failed');
    logger.warn('email_failed', { sessionId, recipient, attempt: attempts, reason });
    return settle({ id, attempts, kind: 'dead', error: reason });
  };

  const withdraw = ({ id, sessionId, recipient, attempts }: DueMail, reason: string) => {
    logger.info('email_withdrawn', { sessionId, recipient, attempt: attempts, reason });
    return settle({ id, attempts, kind: 'withdrawn', error: reason });
  };

  const postpone = (mail: DueMail, codeExpiresAt: number, reason: string) => {
    const { id, attempts } = mail;
    const delayMs = delayOf(attempts, random());
    if (attempts >= MOST_ATTEMPTS) return bury(mail, `given up: ${reason}`);
    // Said now rather than after a wait for nothing.
    if (now() + delayMs >= codeExpiresAt) return bury(mail, `expired: ${reason}`);
    lookAt = Math.min(lookAt, performance.now() + delayMs);
    return settle({ id, attempts, kind: 'waiting', dueAt: now() + delayMs, error: reason });
  };

  /** Why the code of an invitation leads nowhere by now; null when it leads to its session. */
  const deadEndOf = async (sessionId: string, code: string): Promise<string | null> => {
    const session = await look(sessionId);
    if (session === null) return 'no_such_session';
    const joinable = joinableCode(session);
    if (typeof joinable === 'string') return joinable;
    return joinable.code === code ? null : 'code_replaced';
  };

  const attempt = async (mail: DueMail) => {
    const invitation = INVITATION.safeParse(mail.content);
    if (!invitation.success) return bury(mail, 'unreadable');
    const { code, codeExpiresAt } = invitation.data;
    const startedAt = now();
    if (codeExpiresAt <= startedAt) return bury(mail, 'expired');
    const { id, recipient: to, createdAt, attempts, sessionId } = mail;
    // Those before ended without a word: killed, or by a fault of ours.
    if (attempts > MOST_ATTEMPTS) return bury(mail, 'given up');
    let deadEnd: string | null;
    try {
      deadEnd = await deadEndOf(sessionId, code);
    } catch (error) {
      onError(error);
      return postpone(mail, codeExpiresAt, 'session unknown');
    }
    if (deadEnd !== null) return withdraw(mail, deadEnd);
    const { signal } = giveUp;
    const written = await writeInvitation(invitation.data);
    const result = await sender.send({ ...written, id, to, createdAt }, signal);
    // The server may have taken it or not: it comes again when its lease is over.
    if (signal.aborted && result.kind !== 'sent') return;
    isWell = isServerWell(result);
    switch (result.kind) {
      case 'sent':
        metrics.email('sent');
        logger.info('email_sent', { sessionId, recipient: to, attempt: attempts, durationMs: now() - startedAt });
        return settle({ id, attempts, kind: 'sent' });
      case 'refused':
        return bury(mail, result.reason);
      case 'deferred':
        return postpone(mail, codeExpiresAt, result.reason);
    }
  };

  const round = async () => {
    if (performance.now() < lookAt) return;
    lookAt = performance.now() + LOOK_MS;
    await tell();
    let taken: DueMail[];
    do {
      taken = await queue.take(now(), LEASE_MS, MOST_CONNECTIONS);
      const ends = await Promise.allSettled(taken.map(attempt));
      for (const end of ends) if (end.status === 'rejected') onError(end.reason);
    } while (taken.length === MOST_CONNECTIONS && untold.length === 0 && !isStopping);
  };

  const loop = createLoop(TURN_MS, round, onError);
  return {
    start: () => {
      isStopping = false;
      giveUp = new AbortController();
      loop.start();
    },
    stop: async () => {
      isStopping = true;
      const timer = setTimeout(() => giveUp.abort(), stopMs);
      await loop.stop();
      clearTimeout(timer);
      await tell().catch(onError);
      await sender.close();
    },
    wake: () => {
      lookAt = 0;
    },
    status: () => (isWell ? 'ok' : 'degraded'),
  };
}

/** 5 s after the first attempt, then twice as long each time, give or take a quarter: not all at once. */
export function delayOf(attempts: number, random: number): number {
  const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempts - 1));
  return Math.round(delayMs * (0.75 + random / 2));
}

function isServerWell(result: SendResult): boolean {
  return result.kind !== 'deferred' || result.isServerWell;
}
