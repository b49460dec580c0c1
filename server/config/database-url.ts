import { isIP } from 'node:net';
import { accept, refuse, type Parse } from './parsed.ts';

/** What a URL of Postgres says, in parts: the driver would let it decide about TLS, and read what is missing elsewhere. */
export interface DatabaseAddress {
  /** A host name, an IP address, or the absolute path of the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly applicationName: string | null;
  /** Settings of each session, as the command line of the server takes them: `-c search_path=tandem`. */
  readonly options: string | null;
  /** Between here and the server is a pooler that lends connections by transaction, and keeps no prepared statement. */
  readonly isPooled: boolean;
  /** The proof of the password covers the TLS connection too, where the server can do that. */
  readonly channelBinding: boolean;
  /** Null when the URL leaves it to `DATABASE_SSL`. */
  readonly tls: 'required' | 'refused' | null;
}

const FORM = 'a URL such as postgres://user:password@db.example:5432/tandem';
const DEFAULT_PORT = 5432;

export const databaseUrl: Parse<DatabaseAddress> = (text) => {
  if (!/^postgres(ql)?:\/\/[^\s\p{Cc}]+$/iu.test(text) || !URL.canParse(text)) return wrong('');
  const url = new URL(text);
  // A scheme that the standard does not know keeps all that is encoded.
  const [user, password, database, host] = [url.username, url.password, url.pathname.slice(1), url.hostname].map(
    decoded,
  );
  if (user === undefined || password === undefined || database === undefined || host === undefined) {
    return wrong('; a part of it is not encoded as a URL has it, where "%" is %25');
  }
  const parameters = readParameters(url.searchParams);
  if ('fault' in parameters) return wrong(`; ${parameters.fault}`);
  const place = parameters.host ?? (host.replace(/^\[(.*)\]$/, '$1') || 'localhost');
  const name = parameters.user ?? user;
  if (name === '') return wrong('; this one names no user');
  if (database === '' || database.includes('/')) return wrong('; this one names no database');
  if (!isPlace(place))
    return wrong('; its host is neither a name, an IP address, nor the path of the directory of a socket');
  if (url.hash !== '') return wrong('; "#" has to be written as %23');
  const { port, ...rest } = parameters;
  return accept({
    host: place,
    port: port ?? (url.port === '' ? DEFAULT_PORT : Number(url.port)),
    user: name,
    password: parameters.password ?? password,
    database,
    applicationName: rest.applicationName ?? null,
    options: rest.options ?? null,
    isPooled: rest.isPooled ?? false,
    channelBinding: rest.channelBinding ?? false,
    tls: rest.tls ?? null,
  });
};

function wrong(reason: string) {
  return refuse({ expected: `${FORM}${reason}`, advice: 'correct it, or remove it for the embedded database' });
}

function decoded(text: string): string | undefined {
  try {
    const plain = decodeURIComponent(text);
    return plain.includes('\0') ? undefined : plain;
  } catch {
    // A lone "%", as in a password that was not encoded.
    return undefined;
  }
}

function isPlace(host: string): boolean {
  return host.startsWith('/') || isIP(host) !== 0 || /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(host);
}

type Parameters = {
  -readonly [Part in 'host' | 'user' | 'password' | 'applicationName' | 'options']?: string;
} & { port?: number; isPooled?: boolean; channelBinding?: boolean; tls?: 'required' | 'refused' };

/** Of others the effect would be lost without a word. Each gives its part of the address, or what is wrong with it. */
const PARAMETERS: Readonly<Record<string, (value: string) => Parameters | string>> = {
  host: (host) => ({ host }),
  port: (text) => {
    const port = Number(text);
    return /^[1-9]\d{0,4}$/.test(text) && port <= 65_535 ? { port } : 'its parameter port is no port';
  },
  user: (user) => ({ user }),
  password: (password) => ({ password }),
  application_name: (applicationName) => ({ applicationName }),
  options: (options) => ({ options }),
  pgbouncer: (text) => {
    if (text === 'true' || text === 'false') return { isPooled: text === 'true' };
    return 'its parameter pgbouncer is neither true nor false';
  },
  channel_binding: (text) => {
    if (['disable', 'prefer', 'require'].includes(text)) return { channelBinding: text !== 'disable' };
    return 'its parameter channel_binding is none of disable, prefer and require';
  },
  sslmode: (mode) => {
    switch (mode) {
      case 'disable':
        return { tls: 'refused' };
      // These two leave it open, and DATABASE_SSL says it.
      case 'allow':
      case 'prefer':
        return {};
      case 'require':
      case 'verify-ca':
      case 'verify-full':
        return { tls: 'required' };
      case 'no-verify':
        return 'sslmode=no-verify is not possible: certificates are always verified, against DATABASE_SSL_CA where that is set';
      default:
        return 'its sslmode is none of disable, allow, prefer, require, verify-ca and verify-full';
    }
  },
  ssl: (text) => {
    if (text === 'true' || text === '1') return { tls: 'required' };
    if (text === 'false' || text === '0') return { tls: 'refused' };
    return 'its parameter ssl is neither true nor false';
  },
  sslrootcert: () => 'the certificates of its parameter sslrootcert belong in DATABASE_SSL_CA',
  connect_timeout: () => 'its parameter connect_timeout has no effect here',
  target_session_attrs: () => 'its parameter target_session_attrs has no effect here: a standby is never used',
  schema: () => 'in place of its parameter schema take options=-c%20search_path=<schema>',
};

/** The name of an unknown one is not told: after a "?" in a password that was not encoded it is a piece of that. */
function readParameters(search: URLSearchParams): Parameters | { readonly fault: string } {
  const read: Parameters = {};
  for (const [name, value] of search) {
    const parse = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    const parameter = parse?.(value) ?? `of parameters it may have ${TAKEN}; a "?" in a password is %3F`;
    if (typeof parameter === 'string') return { fault: parameter };
    Object.assign(read, parameter);
  }
  return read;
}

const TAKEN = 'host, port, user, password, application_name, options, sslmode, channel_binding and pgbouncer';
