import type { Finding, Verdict } from './finding.ts';

/** The worst of all. */
export function overall(findings: readonly Finding[]): Verdict {
  const has = (verdict: Verdict) => findings.some((finding) => finding.verdict === verdict);
  return has('failed') ? 'failed' : has('warning') ? 'warning' : 'ok';
}

/** For people: a line for each check, and below it what to do. */
export function toText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, verdict, found, advice }) => [
    `${verdict.padEnd(8)} ${check.padEnd(width)}  ${found}`,
    ...(advice === null ? [] : [`${' '.repeat(9 + width)}  -> ${advice}`]),
  ]);
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  return [...lines, '', `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`].join('\n');
}

/** For programs: `{ verdict, version, checks: [{ check, verdict, found, advice }] }`. */
export function toJson(findings: readonly Finding[], version: string): string {
  return JSON.stringify({ verdict: overall(findings), version, checks: findings });
}
