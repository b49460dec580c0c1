import type { Values } from './variables.ts';

/** What keeps invitations from being sent although a mail server is there: routes of mail answer `UNAVAILABLE` then. */
export function mailWarnings({
  SMTP_URL: url,
  MAIL_FROM: from,
  PUBLIC_URL: publicUrl,
  NODE_ENV: env,
}: Values): string[] {
  if (url === null) return [];
  const warnings: string[] = [];
  if (from === null) warnings.push('SMTP_URL: no invitation is sent, because MAIL_FROM does not say from whom');
  if (publicUrl === null && env === 'production') {
    warnings.push('SMTP_URL: no invitation is sent, because PUBLIC_URL does not say where its link leads');
  }
  return warnings;
}
