import type { Config } from '../config.ts';
import { createSmtpSender } from '../mail/smtp-sender.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

const STEP_MS = 3000;
const TIMEOUTS = { connectMs: STEP_MS, greetingMs: STEP_MS, socketMs: STEP_MS, totalMs: 2 * STEP_MS };

/** Connects, greets and signs in; no mail is sent. */
export async function checkMail({ url, from }: Config['mail']): Promise<readonly Finding[]> {
  if (url === null) return [];
  const check = 'mail';
  const place = new URL(url).host;
  const sender = createSmtpSender({ url, from: from ?? 'nobody@localhost', timeouts: TIMEOUTS });
  try {
    const reason = await sender.check();
    if (reason !== null)
      return [failed(check, `${place} does not take connections of ours (${reason})`, adviceFor(reason))];
    if (from !== null) return [ok(check, `${place} is there, and takes our credentials`)];
    const found = `${place} is there, but no invitation is sent without MAIL_FROM`;
    return [warning(check, found, 'Set MAIL_FROM to the sender, such as Tandem <no-reply@example.org>.')];
  } finally {
    await sender.close();
  }
}

/** `reason` is what the sender makes of an error: a command, and a code. */
function adviceFor(reason: string): string {
  if (/AUTH|535|534|530/.test(reason)) return 'Correct user and password in SMTP_URL, in percent-encoding.';
  if (/TLS/.test(reason)) {
    return 'The server offers no STARTTLS, or another certificate: take smtps://, or see the options under "Mail" in docs/operations.md.';
  }
  if (/EDNS|ENOTFOUND/.test(reason)) return 'Correct the host name in SMTP_URL.';
  return 'Start the server, correct host and port in SMTP_URL, and see whether a firewall closes the port.';
}
