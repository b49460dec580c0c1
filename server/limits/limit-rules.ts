import type { LimitInfo } from '../../protocol/errors.ts';
import type { LimitName, LimitRequest } from '../../protocol/limits.ts';
import type { LimitScope } from '../../protocol/errors.ts';

/** A limit as configured. `points` 0: switched off. */
export interface LimitRule {
  readonly name: LimitName;
  readonly scope: LimitScope;
  readonly points: number;
  readonly durationMs: number;
  readonly blockMs: number;
}

export type LimitRules = Readonly<Record<LimitName, LimitRule>>;

/** Made once for each rule: every message names two of them. */
const infos = new WeakMap<LimitRule, LimitInfo>();

export function limitInfo(rule: LimitRule): LimitInfo {
  let info = infos.get(rule);
  if (info === undefined) {
    const { name, scope, points, durationMs } = rule;
    info = Object.freeze({ name, scope, points, durationSeconds: durationMs / 1000 });
    infos.set(rule, info);
  }
  return info;
}

/** The requests of the limits that are switched on, for these buckets. */
export function limitRequests(rules: LimitRules, buckets: readonly (readonly [LimitName, string])[]): LimitRequest[] {
  const requests: LimitRequest[] = [];
  for (const [name, bucket] of buckets) {
    const rule = rules[name];
    if (rule.points > 0) requests.push({ info: limitInfo(rule), bucket, blockMs: rule.blockMs });
  }
  return requests;
}
