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

export function limitInfo(rule: LimitRule): LimitInfo {
  return { name: rule.name, scope: rule.scope, points: rule.points, durationSeconds: rule.durationMs / 1000 };
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
