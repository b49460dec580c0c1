import type { ServerResponse } from 'node:http';
import type { LimitCount, LimitName, LimitRequest } from '../../../protocol/limits.ts';
import { credentialsBucket, userBucket } from '../../limits/buckets.ts';
import { limitRequests, type LimitRules } from '../../limits/limit-rules.ts';
import type { Limits } from '../../sessions/ports.ts';
import { rateLimited } from '../../sessions/refusals.ts';
import type { Caller } from './caller.ts';

/**
 * Which limit the requests of a route count for; `caller`: the one of who calls. `caller_and_misses`: that one, and what
 * fails counts as `auth` does; both in buckets of their own.
 */
export type Tier = 'auth' | 'caller_and_misses' | 'caller' | 'none';

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
  const ruled = (name: LimitName, bucket: string) => limitRequests(rules, [[name, bucket]])[0];
  return async (response, tier, caller) => {
    if (tier === 'none') return nothing;
    const guesses = tier === 'caller' ? undefined : ruled('auth', guessBucketOf(tier, caller));
    if (tier === 'auth') return guesses === undefined ? nothing : count(response, guesses);
    // Counted before it is known to be right, several at once from behind one address would be refused, and block it.
    if (guesses !== undefined && (await limits.waitOf(guesses)) > 0) await (await count(response, guesses))('void');
    const request = ruled(...bucketOf(tier, caller));
    // It was a request, however it ends.
    if (request !== undefined) await count(response, scopedTo(request, caller));
    if (guesses === undefined) return nothing;
    return async (end) => {
      if (end === 'failed') await count(response, guesses);
    };
  };
}

const nothing: SettleRequest = () => Promise.resolve();

/** Wrong refresh tokens apart from sign-ins: those who signed in behind one address, five of them, go on refreshing. */
function guessBucketOf(tier: Tier, { ip }: Caller): string {
  return tier === 'auth' ? ip.bucket : credentialsBucket(ip.bucket);
}

function bucketOf(tier: Tier, { ip, identity, keyName }: Caller): [LimitName, string] {
  if (keyName !== null) return ['api', keyName];
  // Apart: whoever asks much from behind the same address must not keep others from going on.
  if (tier === 'caller_and_misses') return ['general', credentialsBucket(ip.bucket)];
  return ['general', identity === null ? ip.bucket : userBucket(identity.userId)];
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
