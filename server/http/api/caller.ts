import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TandemError } from '../../../protocol/errors.ts';
import type { Identity } from '../../auth/identity.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import { bearerToken } from '../middleware/bearer-token.ts';
import type { RequestLog } from './request-log.ts';

/**
 * Who may call a route. `anyone` is told apart when it says who it is; `stranger` is not asked; what `signed` says is
 * checked by the route itself, over the bytes of the body.
 */
export type Who = 'stranger' | 'anyone' | 'user' | 'key' | 'user_or_key' | 'admin' | 'signed';

export interface Caller {
  readonly ip: ClientIp;
  /** The signed-in user; null for everybody else. */
  readonly identity: Identity | null;
  /** Name of the API key; null for everybody else. */
  readonly keyName: string | null;
}

export interface ApiKey {
  readonly name: string;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
}

export interface CallerOptions {
  /** Throws `UNAUTHENTICATED`, `UNAVAILABLE`. */
  authenticate: (token: string) => Promise<Identity>;
  apiKeys: readonly ApiKey[];
  /** Throws `UNAUTHENTICATED` unless the request carries the token of operators. */
  assertAdmin: (request: IncomingMessage, response: ServerResponse) => void;
  clientIp: (request: IncomingMessage) => ClientIp;
  log: Pick<RequestLog, 'authFailed' | 'authPassed'>;
}

export type IdentifyCaller = (request: IncomingMessage, response: ServerResponse, who: Who) => Promise<Caller>;

/** Gives who calls. Throws `UNAUTHENTICATED` unless it is one of those who may. */
export function createIdentifyCaller(options: CallerOptions): IdentifyCaller {
  const { authenticate, apiKeys, assertAdmin, clientIp, log } = options;
  const reject = (
    request: IncomingMessage,
    response: ServerResponse,
    reason: 'api_key' | 'access_token' | 'no_credentials',
    error: TandemError,
  ): TandemError => {
    log.authFailed(request, response, reason);
    return error;
  };
  const nameOfKey = (request: IncomingMessage, response: ServerResponse): string | null => {
    const given = request.headersDistinct['x-api-key'];
    if (given === undefined) return null;
    const [key = ''] = given;
    const found = given.length === 1 ? findKey(apiKeys, key) : null;
    if (found !== null) {
      log.authPassed();
      return found;
    }
    throw reject(request, response, 'api_key', new TandemError('UNAUTHENTICATED', 'This API key is not known here.'));
  };
  const identityOf = async (request: IncomingMessage, response: ServerResponse): Promise<Identity | null> => {
    if (request.headersDistinct.authorization === undefined) return null;
    const token = bearerToken(request);
    if (token === null) {
      const error = new TandemError('UNAUTHENTICATED', 'Send the access token as Authorization: Bearer.');
      throw reject(request, response, 'no_credentials', error);
    }
    try {
      return await authenticate(token);
    } catch (error) {
      if (!(error instanceof TandemError) || error.code !== 'UNAUTHENTICATED') throw error;
      throw reject(request, response, 'access_token', error);
    }
  };
  return async (request, response, who) => {
    const ip = clientIp(request);
    if (who === 'admin') assertAdmin(request, response);
    if (who === 'stranger' || who === 'admin' || who === 'signed') return { ip, identity: null, keyName: null };
    const keyName = who === 'user' ? null : nameOfKey(request, response);
    const identity = keyName === null && who !== 'key' ? await identityOf(request, response) : null;
    if (who !== 'anyone' && keyName === null && identity === null) {
      throw reject(request, response, 'no_credentials', new TandemError('UNAUTHENTICATED', MISSING[who]));
    }
    return { ip, identity, keyName };
  };
}

const MISSING = {
  user: 'Sign in first, and send the access token as Authorization: Bearer.',
  key: 'Send an API key as X-API-Key.',
  user_or_key: 'Send an access token as Authorization: Bearer, or an API key as X-API-Key.',
} as const;

/** In a time that tells nothing of the keys: all of them are compared, by their hashes. */
function findKey(apiKeys: readonly ApiKey[], key: string): string | null {
  const hash = createHash('sha256').update(key).digest();
  let found: string | null = null;
  for (const known of apiKeys) if (timingSafeEqual(known.hash, hash)) found = known.name;
  return found;
}
