import { fault } from './faults.ts';
import type { Reading } from './values.ts';
import type { VariableName } from './variables.ts';

const WAYS = ['REDIS_URL', 'REDIS_HOST', 'REDIS_CLUSTER_NODES', 'REDIS_SENTINELS'] as const;
const DETAILS = ['REDIS_USERNAME', 'REDIS_PASSWORD', 'REDIS_DB', 'REDIS_TLS', 'REDIS_TLS_CA'] as const;

/** Faults between the variables of Redis. No line shows a value: some of them are secrets. */
export function redisFaults(reading: Reading): string[] {
  return [...addressFaults(reading), ...urlFaults(reading), ...connectionFaults(reading)];
}

/** One way to Redis, whole, and nothing that belongs to none. */
function addressFaults({ given }: Reading): string[] {
  const faults: string[] = [];
  const ways = WAYS.filter((name) => given.has(name));
  const isNamed = given.has('REDIS_SENTINEL_NAME');
  const isListed = given.has('REDIS_SENTINELS');
  const expected = 'one server, a cluster or sentinels';
  if (given.has('REDIS_CLUSTER_NODES') && (isNamed || isListed)) {
    const other = isListed ? 'REDIS_SENTINELS' : 'REDIS_SENTINEL_NAME';
    faults.push(together('REDIS_CLUSTER_NODES', other, 'a cluster or sentinels, not both'));
  }
  // Of a cluster and sentinels alone it is told above.
  if (ways.length > 1 && (given.has('REDIS_URL') || given.has('REDIS_HOST'))) {
    faults.push(together(ways[0] ?? '', ways.slice(1).join(' and '), expected));
  }
  if (isNamed !== isListed) {
    const [missing, other] = isNamed
      ? ['REDIS_SENTINELS', 'REDIS_SENTINEL_NAME']
      : ['REDIS_SENTINEL_NAME', 'REDIS_SENTINELS'];
    faults.push(fault(missing, 'nothing', `it to be set, because ${other} is`, 'set both or remove both'));
  }
  if (given.has('REDIS_PORT') && !given.has('REDIS_HOST')) {
    faults.push(fault('REDIS_PORT', 'it without REDIS_HOST', 'both or none', 'set REDIS_HOST too, or remove it'));
  }
  if (ways.length === 0 && !isNamed && !given.has('REDIS_PORT')) {
    for (const name of DETAILS.filter((detail) => given.has(detail))) {
      const advice = `set ${WAYS.join(' or ')} too, or remove it`;
      faults.push(fault(name, 'it without an address of Redis', 'it beside one', advice));
    }
  }
  return faults;
}

/** What stands in the URL stands there alone. */
function urlFaults({ values, given }: Reading): string[] {
  const { REDIS_URL: url, REDIS_TLS: tls } = values;
  if (url === undefined || url === null) return [];
  const doubled: [VariableName, boolean, string][] = [
    ['REDIS_USERNAME', url.username !== null, 'a user'],
    ['REDIS_PASSWORD', url.password !== null, 'a password'],
    ['REDIS_DB', url.database !== null, 'a database'],
  ];
  const faults = doubled
    .filter(([name, isInUrl]) => isInUrl && given.has(name))
    .map(([name, , what]) => together(name, `${what} in REDIS_URL`, `${what} in one of the two`));
  if (tls === true && !url.isEncrypted) faults.push(together('REDIS_TLS=true', 'redis:// in REDIS_URL', 'rediss://'));
  if (tls === false && url.isEncrypted) faults.push(together('REDIS_TLS=false', 'rediss:// in REDIS_URL', 'redis://'));
  return faults;
}

function connectionFaults({ values, given }: Reading): string[] {
  const faults: string[] = [];
  const { REDIS_URL: url, REDIS_TLS: tls, REDIS_DB: database } = values;
  const isFaulty = url === undefined || tls === undefined;
  if (
    given.has('REDIS_TLS_CA') &&
    !isFaulty &&
    tls !== true &&
    url?.isEncrypted !== true &&
    WAYS.some((name) => given.has(name))
  ) {
    const expected = 'it beside an encrypted connection';
    faults.push(
      fault('REDIS_TLS_CA', 'it without TLS', expected, 'set REDIS_TLS=true or take rediss://, or remove it'),
    );
  }
  if (given.has('REDIS_USERNAME') && !given.has('REDIS_PASSWORD') && WAYS.some((name) => given.has(name))) {
    const expected = 'it beside REDIS_PASSWORD';
    if (url === null || url?.password === null) {
      faults.push(fault('REDIS_USERNAME', 'it without a password', expected, 'set both, or remove it'));
    }
  }
  if (given.has('REDIS_CLUSTER_NODES') && typeof database === 'number' && database !== 0) {
    faults.push(fault('REDIS_DB', `"${database}"`, '0 in a cluster, which has no other', 'remove it'));
  }
  return faults;
}

function together(name: string, other: string, expected: string): string {
  const [variable = name] = name.split('=');
  return fault(variable, `it together with ${other}`, expected, 'remove one of them');
}
