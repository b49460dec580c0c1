import { isIP } from 'node:net';
import { host } from './addresses.ts';
import { accept, refuse, type Parse } from './parsed.ts';

/** What a URL of Redis says; null where it leaves a thing to a variable. */
export interface RedisUrl {
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly database: number | null;
  readonly isEncrypted: boolean;
}

export const REDIS_PORT = 6379;

const FORM = 'a URL such as redis://user:password@redis.example:6379/0, or rediss:// for an encrypted connection';

export const redisUrl: Parse<RedisUrl> = (text, context) => {
  if (!/^rediss?:\/\/[^\s\p{Cc}]+$/iu.test(text) || !URL.canParse(text)) return wrong('');
  const url = new URL(text);
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (username === null || password === null) {
    return wrong('; its user or password is not encoded as a URL has it, where "%" is %25');
  }
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) === 0 && !host(name, context).ok) return wrong('; its host is neither a name nor an IP address');
  const database = /^\/?$/.test(url.pathname) ? '' : url.pathname.slice(1);
  if (!/^(|0|[1-9]\d{0,5})$/.test(database)) return wrong('; its path is not the number of a database');
  if (url.search !== '' || url.hash !== '') return wrong('; parameters after "?" and "#" are not read');
  if (username !== '' && password === '') return wrong('; it names a user and no password');
  return accept({
    host: name,
    port: url.port === '' ? REDIS_PORT : Number(url.port),
    username: username === '' ? null : username,
    password: password === '' ? null : password,
    database: database === '' ? null : Number(database),
    isEncrypted: url.protocol === 'rediss:',
  });
};

/** Without braces: those of a key decide where a cluster keeps it, and that is not for the prefix to say. */
export const keyPrefix: Parse<string> = (text) => {
  if (/^[\w.:-]{1,64}$/.test(text)) return accept(text);
  return refuse({ expected: '1 to 64 letters, digits and characters of "_.:-"' });
};

function wrong(reason: string) {
  return refuse({ expected: `${FORM}${reason}` });
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a lone "%"
  }
}
