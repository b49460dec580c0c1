import type { MailContent } from './invitation-mail.ts';
import { parseRecipient } from './recipient.ts';
import { smtpOptions } from './smtp-options.ts';

/** A mail as it is handed to a mail server: to one address. */
export interface OutgoingMail extends MailContent {
  /** The same at every attempt: receivers know by it that a mail came twice. */
  readonly id: string;
  readonly to: string;
  readonly createdAt: number;
}

/** `reason` is made of codes alone: what a mail server says in words repeats the address. */
export type SendResult =
  | { readonly kind: 'sent' }
  /** The server was not reached, or does not take it now. */
  | { readonly kind: 'deferred'; readonly reason: string; readonly isServerWell: boolean }
  /** The server will never take this mail. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface MailSender {
  /** Ends within its deadline, whatever the mail server does; never rejects. Aborted, the mail may have been taken. */
  send(mail: OutgoingMail, signal?: AbortSignal): Promise<SendResult>;
  /** Whether the server is there and takes our credentials; null: it is, else why not. */
  check(): Promise<string | null>;
  /** May be called twice. */
  close(): Promise<void>;
}

export interface SmtpTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** Of silence. */
  readonly socketMs: number;
  /** Of all of an attempt: a server may trickle its answers. */
  readonly totalMs: number;
}

export interface SmtpSenderOptions {
  readonly url: string;
  /** `name@example.org`, or `Tandem <name@example.org>`. */
  readonly from: string;
  readonly timeouts?: SmtpTimeouts;
}

/** As many mails are under way at once. */
export const MOST_CONNECTIONS = 2;
const TIMEOUTS: SmtpTimeouts = { connectMs: 10_000, greetingMs: 10_000, socketMs: 20_000, totalMs: 45_000 };
/** The longest that an attempt may take, from when a connection is free for it. */
export const LONGEST_ATTEMPT_MS = TIMEOUTS.totalMs;

/** Sends over SMTP. Nothing is loaded, and nothing connected, before the first mail. */
export function createSmtpSender({ url, from, timeouts = TIMEOUTS }: SmtpSenderOptions): MailSender {
  let opening: ReturnType<typeof open> | null = null;
  const open = async () => {
    const { createTransport } = await import('nodemailer');
    return createTransport({
      ...smtpOptions(url),
      pool: true,
      maxConnections: MOST_CONNECTIONS,
      // A connection that breaks has possibly delivered: whether to repeat is decided by the queue, which remembers it.
      maxRequeues: 0,
      idleTimeout: 30_000,
      connectionTimeout: timeouts.connectMs,
      dnsTimeout: timeouts.connectMs,
      greetingTimeout: timeouts.greetingMs,
      socketTimeout: timeouts.socketMs,
      socketCloseTimeout: 1000,
      logger: false,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  };
  const transport = () => (opening ??= open());
  const sender = addressOf(from);

  return {
    send: async (mail, signal) => {
      // nodemailer would take a list of addresses apart, and send to all of them.
      if (parseRecipient(mail.to) === null) return { kind: 'refused', reason: 'recipient' };
      const deadline = AbortSignal.timeout(timeouts.totalMs);
      try {
        await (
          await transport()
        ).sendMail({
          envelope: { from: sender, to: [mail.to] },
          from,
          to: { name: '', address: mail.to },
          subject: mail.subject,
          date: new Date(mail.createdAt),
          messageId: `<${mail.id}@${sender.slice(sender.indexOf('@') + 1)}>`,
          text: mail.text,
          html: mail.html,
          attachments: [
            {
              filename: 'code.png',
              content: mail.image.png,
              contentType: 'image/png',
              contentDisposition: 'inline',
              cid: mail.image.cid,
            },
          ],
          // Away notices and other machines do not answer (RFC 3834).
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
          signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        });
        return { kind: 'sent' };
      } catch (error) {
        return judge(error);
      }
    },
    check: async () => {
      try {
        await (await transport()).verify();
        return null;
      } catch (error) {
        return reasonOf(error as SmtpError); // whatever it is, its fields are only looked for
      }
    },
    close: async () => {
      (await opening)?.close();
    },
  };
}

interface SmtpError {
  readonly code?: unknown;
  readonly command?: unknown;
  readonly response?: unknown;
  readonly responseCode?: unknown;
}

/** Commands whose refusal is about this mail: any other would be refused for every mail, until somebody mends it. */
const ABOUT_THE_MAIL = new Set(['RCPT TO', 'DATA']);

function judge(thrown: unknown): SendResult {
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as SmtpError; // fields are looked at one by one
  const reason = reasonOf(error);
  const code = typeof error.responseCode === 'number' ? error.responseCode : 0;
  const isAboutTheMail = typeof error.command === 'string' && ABOUT_THE_MAIL.has(error.command) && code >= 400;
  // 503, a command out of turn, is about the connection.
  if (isAboutTheMail && code >= 500 && code !== 503) return { kind: 'refused', reason };
  // What nodemailer itself finds wrong with a mail before it is sent stays wrong.
  if (error.command === 'API' && (error.code === 'EENVELOPE' || error.code === 'EMESSAGE'))
    return { kind: 'refused', reason };
  return { kind: 'deferred', reason, isServerWell: isAboutTheMail };
}

/** `RCPT TO 550 5.1.1`, `CONN ESOCKET`. */
function reasonOf({ code, command, response, responseCode }: SmtpError): string {
  const enhanced =
    typeof response === 'string' ? (/^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] ?? '') : '';
  const said = typeof responseCode === 'number' ? `${responseCode} ${enhanced}`.trim() : word(code);
  return `${word(command)} ${said}`.trim() || 'unknown';
}

function word(value: unknown): string {
  return typeof value === 'string' && /^[A-Z][A-Z0-9_ -]{0,40}$/.test(value) ? value : '';
}

function addressOf(from: string): string {
  return /<([^<>]+)>$/.exec(from)?.[1] ?? from;
}
