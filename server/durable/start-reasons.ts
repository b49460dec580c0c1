/** Why an external Postgres can't be worked with: what the driver throws, as a line for the operator. */
import pg from 'pg';
import { DatabaseStartError } from './database-start-error.ts';
import type { ExternalPostgres } from './postgres.ts';

/** Of the server: it starts, stops, recovers, or has no connection left. */
const NOT_NOW = /^(57P0|53)/;
/** Of the network; the driver's own deadlines have messages alone. */
const NOT_REACHED = new Set(
  'ECONNREFUSED ECONNRESET ETIMEDOUT EHOSTUNREACH ENETUNREACH EHOSTDOWN EPIPE ENOTFOUND EAI_AGAIN ENOENT'.split(' '),
);
const DEADLINE = /timeout|Connection terminated/i;

/** Whether waiting may help: the database may be starting, as this server is. */
export function mayPass(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return NOT_NOW.test(error.code ?? '');
  return NOT_REACHED.has(codeOf(error)) || DEADLINE.test(messageOf(error));
}

/** Null when it is no error that an operator brings about. */
export function startReason(error: unknown, postgres: ExternalPostgres): DatabaseStartError | null {
  if (error instanceof DatabaseStartError) return error;
  const place = placeOf(postgres);
  const said = error instanceof pg.DatabaseError ? serverReason(error, postgres) : linkReason(error, postgres);
  return said === null ? null : new DatabaseStartError(`DATABASE_URL: the database at ${place} ${said}`);
}

export function placeOf({ host, port }: ExternalPostgres): string {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function serverReason(error: pg.DatabaseError, { user, database, ssl }: ExternalPostgres): string | null {
  const { code = '', message } = error;
  const told = `(${message}, ${code})`;
  switch (code) {
    case '28P01':
      return `refused the password of the role "${user}" ${told}; correct the password or the role.`;
    case '28000':
      if (!ssl && /no encryption|SSL off/.test(message)) {
        return `takes no connection without TLS ${told}; remove DATABASE_SSL=false.`;
      }
      return `does not let the role "${user}" in ${told}; create the role, or allow it in pg_hba.conf.`;
    case '3D000':
      return `has no database "${database}" ${told}; create it, or name another one.`;
    case '42501':
      return `does not let the role "${user}" into "${database}" ${told}; grant it CONNECT.`;
    default:
      if (NOT_NOW.test(code)) return `takes no connection now ${told}; start again when it does.`;
      return code.startsWith('08') ? `broke the connection off ${told}; see its log.` : null;
  }
}

const UNTRUSTED = new Set(
  (
    'DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE UNABLE_TO_GET_ISSUER_CERT ' +
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY CERT_UNTRUSTED CERT_SIGNATURE_FAILURE INVALID_CA'
  ).split(' '),
);

function linkReason(error: unknown, { host, ssl, password }: ExternalPostgres): string | null {
  const [code, message] = [codeOf(error), messageOf(error)];
  if (UNTRUSTED.has(code)) {
    return `shows a certificate that is not trusted (${code}); set DATABASE_SSL_CA to the certificates that sign it.`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `shows a certificate that is not for ${host} (${code}); take a host that it names.`;
  }
  if (code.startsWith('CERT_')) return `shows a certificate that is not valid (${code}); renew it.`;
  if (/does not support SSL/.test(message)) {
    return 'speaks no TLS; let it, or set DATABASE_SSL=false when no network lies between.';
  }
  if (ssl && /^(ERR_SSL|EPROTO)/.test(code)) return `could not agree on TLS with this server (${code}).`;
  if (password === '' && /SASL|password/.test(message)) return 'asks for a password; put one into the URL.';
  if (!mayPass(error)) return null;
  return `cannot be reached (${code === '' ? message : code}); start it, or correct host and port.`;
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  // A host with several addresses fails with the errors of them all.
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'errors' in error && Array.isArray(error.errors) ? codeOf(error.errors[0]) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
