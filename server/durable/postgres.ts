/** How an external Postgres is reached: what `DATABASE_*` say, as the driver takes it. */
import { isIP } from 'node:net';
import type { Connection } from './connection.ts';

/** What `DATABASE_*` say. */
export interface ExternalPostgres {
  /** A host name, an IP address, or the absolute path of the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly applicationName: string | null;
  readonly options: string | null;
  /** Between here and the server is a pooler that lends connections by transaction. */
  readonly isPooled: boolean;
  readonly channelBinding: boolean;
  readonly ssl: boolean;
  /** Certificates in PEM; null: those that Node.js trusts. */
  readonly sslCa: string | null;
}

export interface PostgresConnections {
  /** For statements that somebody waits for. */
  readonly connection: Connection;
  /** For migrations, which take their time. */
  readonly migrating: Connection;
  readonly prepares: boolean;
}

/**
 * Below the 2 s after which the pool gives up: so the server has ended a statement, one way or the other, before its
 * caller tries again, unless the network held the statement itself back. A statement that waits for a lock ends first,
 * because its error says more.
 */
export const STATEMENT_MS = 1_700;
const LOCK_MS = 1_500;

/** Opens nothing. All that the driver would look up elsewhere (`PGSSLMODE`, `~/.pgpass`) is said. */
export function connectPostgres(postgres: ExternalPostgres): PostgresConnections {
  const { host, port, user, password, database, options } = postgres;
  const migrating: Connection = {
    host,
    port,
    user,
    // A function, and it is neither looked up elsewhere when it is empty nor shown with the rest.
    password: () => password,
    database,
    ssl: tls(postgres),
    application_name: postgres.applicationName ?? 'tandem',
    enableChannelBinding: postgres.channelBinding,
    ...(options === null ? {} : { options }),
  };
  // A pooler refuses these of a client, because they would stay with a connection that is lent to others; there they
  // have to be set for the role.
  const deadlines = postgres.isPooled ? {} : { statement_timeout: STATEMENT_MS, lock_timeout: LOCK_MS };
  return { connection: { ...migrating, ...deadlines }, migrating, prepares: !postgres.isPooled };
}

/** A socket of this machine passes no network, and Postgres speaks no TLS on it. */
function tls({ host, ssl, sslCa }: ExternalPostgres): NonNullable<Connection['ssl']> {
  if (!ssl || host.startsWith('/')) return false;
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(sslCa === null ? {} : { ca: sslCa }),
    // For an IP address there is no server name, and what is compared with the certificate is this.
    ...(isIP(host) === 0 ? {} : { host }),
  };
}
