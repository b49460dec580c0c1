import { isIPv4 } from 'node:net';

/** How a mail server is reached, as `SMTP_URL` says. */
export interface SmtpOptions {
  readonly host: string;
  readonly port: number | undefined;
  /** TLS from the first byte. */
  readonly secure: boolean;
  /** STARTTLS, or no mail. */
  readonly requireTLS: boolean;
  readonly ignoreTLS: boolean;
  readonly auth: { readonly user: string; readonly pass: string } | undefined;
  /** What this server calls itself in its greeting. */
  readonly name: string | undefined;
  readonly tls: { readonly rejectUnauthorized: boolean; readonly servername?: string };
}

/**
 * `smtps://` is TLS, `smtp://` is upgraded by STARTTLS wherever the server offers it, with a certificate that is verified.
 * A password goes over no network in the clear. On this machine itself nothing is encrypted unless it is asked for:
 * certificates of a local relay name somebody else.
 */
export function smtpOptions(text: string): SmtpOptions {
  const url = new URL(text);
  const { searchParams: given } = url;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const secure = url.protocol === 'smtps:';
  const auth =
    url.username === '' && url.password === ''
      ? undefined
      : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
  const isHere = isLoopback(host);
  const requireTLS = given.get('requireTLS') ?? String(!secure && !isHere && auth !== undefined);
  const ignoreTLS = given.get('ignoreTLS') ?? String(isHere);
  const servername = given.get('tls.servername');
  return {
    host,
    port: url.port === '' ? undefined : Number(url.port),
    secure,
    requireTLS: requireTLS === 'true',
    ignoreTLS: ignoreTLS === 'true' && requireTLS !== 'true',
    auth,
    name: given.get('name') ?? undefined,
    tls: {
      rejectUnauthorized: given.get('tls.rejectUnauthorized') !== 'false',
      ...(servername === null ? {} : { servername }),
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
