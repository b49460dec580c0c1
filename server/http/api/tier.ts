import type { ServerResponse } from 'node:http';
import type { LimitCount, LimitName, LimitRequest } from '../../../protocol/limits.ts';
import { limitRequests, type LimitRules } from '../../limits/limit-rules.ts';
import type { Limits } from '../../sessions/ports.ts';
import { rateLimited } from '../../sessions/refusals.ts';
import type { Caller } from './caller.ts';

/**
 * Which limit the requests of a route count for; `caller`: the one of who calls. `auth_misses`: the same limit as `auth`,
 * for what fails alone.
 */
export type Tier = 'auth' | 'auth_misses' | 'caller' | 'none';

export interface TierOptions {
  limits: Limits;
  rules: LimitRules;
  /** Unix milliseconds. */
  now: () => number;
}

/**
 * How a request ended: `failed` with credentials that were wrong, `void` because it was malformed or nobody could tell, so
 * that nothing was tried.
 */
export type RequestEnd = 'answered' | 'failed' | 'void';

/** What is to be told to the limit when the request is over. */
export type SettleRequest = (end: RequestEnd) => Promise<void>;

export type CountRequest = (response: ServerResponse, tier: Tier, caller: Caller) => Promise<SettleRequest>;

/** Counts requests and tells their callers what is left. Throws `RATE_LIMITED`. */
export function createCountRequest({ limits, rules, now }: TierOptions): CountRequest {
  const count = async (response: ServerResponse, request: LimitRequest): Promise<SettleRequest> => {
    const counted = await limits.count(request);
    setHeaders(response, request, counted, now());
    if (!counted.isTaken) throw rateLimited(request.info, counted.resetMs);
    return async (end) => {
      if (end !== 'void') return;
      await limits.giveBack(request, counted.takenAt);
      setHeaders(response, request, { ...counted, remaining: counted.remaining + 1 }, now());
    };
  };
  return async (response, tier, caller) => {
    const [name, bucket] = bucketOf(tier, caller);
    const [found] = name === null ? [] : limitRequests(rules, [[name, bucket]]);
    if (found === undefined) return nothing;
    const request = scopedTo(found, caller);
    if (tier === 'auth') return count(response, request);
    if (tier === 'caller') {
      await count(response, request);
      // It was a request, however it ends.
      return nothing;
    }
    // Counted before it is known to be right, several at once from behind one address would be refused, and block it.
    if ((await limits.waitOf(request)) > 0) await (await count(response, request))('void');
    response.setHeader('RateLimit-Policy', policyOf(request));
    response.setHeader('X-RateLimit-Limit', request.info.points);
    return async (end) => {
      if (end === 'failed') await count(response, request);
    };
  };
}

const nothing: SettleRequest = () => Promise.resolve();

function bucketOf(tier: Tier, { ip, identity, keyName }: Caller): [LimitName | null, string] {
  if (tier === 'none') return [null, ''];
  if (tier !== 'caller') return ['auth', ip.bucket];
  if (keyName !== null) return ['api', keyName];
  return ['general', identity === null ? ip.bucket : userBucket(identity.userId)];
}

/** Where the requests of a signed-in user are counted: apart from those of addresses. */
export function userBucket(userId: string): string {
  return `user ${userId}`;
}

/** The general limit counts by user or by address: its refusal says which. */
function scopedTo(request: LimitRequest, { identity }: Caller): LimitRequest {
  if (request.info.name !== 'general') return request;
  return { ...request, info: { ...request.info, scope: identity === null ? 'ip' : 'user' } };
}

/** Both ways of telling it: RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10), and the older X- headers. */
function setHeaders(
  response: ServerResponse,
  request: LimitRequest,
  { remaining, resetMs }: LimitCount,
  now: number,
): void {
  const { name, points } = request.info;
  const resetSeconds = Math.max(0, Math.ceil(resetMs / 1000));
  response.setHeader('RateLimit-Policy', policyOf(request));
  response.setHeader('RateLimit', `"${name}";r=${remaining};t=${resetSeconds}`);
  response.setHeader('X-RateLimit-Limit', points);
  response.setHeader('X-RateLimit-Remaining', remaining);
  response.setHeader('X-RateLimit-Reset', Math.ceil((now + resetMs) / 1000));
}

function policyOf({ info: { name, points, durationSeconds } }: LimitRequest): string {
  return `"${name}";q=${points};w=${durationSeconds}`;
}
