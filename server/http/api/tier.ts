import type { ServerResponse } from 'node:http';
import type { LimitCount, LimitName, LimitRequest } from '../../../protocol/limits.ts';
import { limitRequests, type LimitRules } from '../../limits/limit-rules.ts';
import type { Limits } from '../../sessions/ports.ts';
import { rateLimited } from '../../sessions/refusals.ts';
import type { Caller } from './caller.ts';

/** Which limit the requests of a route count for; `caller`: the one of who calls. */
export type Tier = 'auth' | 'caller' | 'none';

export interface TierOptions {
  limits: Limits;
  rules: LimitRules;
  /** Unix milliseconds. */
  now: () => number;
  onLimited: (name: LimitName) => void;
}

/** Takes back the request that was counted. */
export type Uncount = () => Promise<void>;

export type CountRequest = (response: ServerResponse, tier: Tier, caller: Caller) => Promise<Uncount>;

/** Counts requests and tells their callers what is left. Throws `RATE_LIMITED`. */
export function createCountRequest({ limits, rules, now, onLimited }: TierOptions): CountRequest {
  return async (response, tier, caller) => {
    const [name, bucket] = bucketOf(tier, caller);
    const [request] = name === null ? [] : limitRequests(rules, [[name, bucket]]);
    if (name === null || request === undefined) return () => Promise.resolve();
    const scoped = scopedTo(request, caller);
    const count = await limits.count(scoped);
    setHeaders(response, scoped, count, now());
    if (!count.isTaken) {
      onLimited(name);
      throw rateLimited(scoped.info, count.resetMs);
    }
    return () => limits.giveBack(scoped, count.takenAt);
  };
}

function bucketOf(tier: Tier, { ip, identity, keyName }: Caller): [LimitName | null, string] {
  if (tier === 'none') return [null, ''];
  if (tier === 'auth') return ['auth', ip.bucket];
  if (keyName !== null) return ['api', keyName];
  return ['general', identity === null ? ip.bucket : `user ${identity.userId}`];
}

/** The general limit counts by user or by address: its refusal says which. */
function scopedTo(request: LimitRequest, { identity }: Caller): LimitRequest {
  if (request.info.name !== 'general') return request;
  return { ...request, info: { ...request.info, scope: identity === null ? 'ip' : 'user' } };
}

/** Both ways of telling it: RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10), and the older X- headers. */
function setHeaders(
  response: ServerResponse,
  { info }: LimitRequest,
  { remaining, resetMs }: LimitCount,
  now: number,
): void {
  const { name, points, durationSeconds } = info;
  const resetSeconds = Math.max(0, Math.ceil(resetMs / 1000));
  response.setHeader('RateLimit-Policy', `"${name}";q=${points};w=${durationSeconds}`);
  response.setHeader('RateLimit', `"${name}";r=${remaining};t=${resetSeconds}`);
  response.setHeader('X-RateLimit-Limit', points);
  response.setHeader('X-RateLimit-Remaining', remaining);
  response.setHeader('X-RateLimit-Reset', Math.ceil((now + resetMs) / 1000));
}
