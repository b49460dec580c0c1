import { fault, shown } from './faults.ts';
import { LIMIT_PREFIX } from './limit-variables.ts';
import { nearNames } from './near-names.ts';
import { variableNames, variableOf } from './variables.ts';

const TRACING_PREFIX = 'OTEL_';

/**
 * What to say about names that are set and stand in no table. The environment is full of other programs' variables:
 * those that are surely meant for us are faults, those that only look like ours are warnings. Values are never shown,
 * because nobody knows which of them are secrets.
 */
export function judgeUnknownNames(names: readonly string[]): { faults: string[]; warnings: string[] } {
  const faults: string[] = [];
  const warnings: string[] = [];
  for (const name of names) {
    if (isOurs(name)) continue;
    if (name.startsWith(LIMIT_PREFIX)) faults.push(unknownLimitFault(name));
    else warnings.push(...nameWarnings(name));
  }
  return { faults, warnings };
}

function isOurs(name: string): boolean {
  if (variableOf(name) !== undefined) return true;
  return name.endsWith('_FILE') && variableOf(name.slice(0, -'_FILE'.length))?.secret === true;
}

function unknownLimitFault(name: string): string {
  const candidates = variableNames().filter((candidate) => candidate.startsWith(LIMIT_PREFIX));
  const near = nearNames(name, candidates, { most: 3, within: Number.POSITIVE_INFINITY });
  const form = `${LIMIT_PREFIX}<NAME>_POINTS, _DURATION or _BLOCK with the name of a limit`;
  return fault(printable(name), 'a value', form, `the nearest are ${near.join(', ')}`);
}

function nameWarnings(name: string): string[] {
  // Set for every program of a machine, by those who run a collector.
  if (name.startsWith(TRACING_PREFIX)) {
    const read = variableNames().filter((known) => known.startsWith(TRACING_PREFIX));
    return [`${printable(name)}: not among those of ${TRACING_PREFIX}* that Tandem knows: ${read.join(', ')}`];
  }
  const base = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : '';
  if (variableOf(base) !== undefined)
    return [`${name}: not read, because only a secret may come from a file; set ${base}`];
  // A short name is near to too many others (PATH and PORT).
  if (name.length < 7) return [];
  const [near] = nearNames(name, variableNames(), { most: 1, within: 2 });
  return near === undefined
    ? []
    : [`${printable(name)}: not a variable of Tandem, and ignored; perhaps ${near} was meant`];
}

function printable(name: string): string {
  return /^[\w.-]{1,100}$/.test(name) ? name : shown(name);
}
