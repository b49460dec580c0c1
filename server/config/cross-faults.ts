import { fault } from './faults.ts';
import type { Reading } from './values.ts';

/**
 * Faults that lie between variables, each sound by itself. Only pairs that no operator can mean: a lifetime that is
 * shorter than another is no fault, the shorter one simply comes first. A default that is in the way gives way (see
 * `settle`), so only a value that somebody chose can be a fault.
 */
export function crossFaults(reading: Reading): string[] {
  return [...idleFaults(reading), ...poolFaults(reading), ...sentinelFaults(reading)];
}

function idleFaults({ values, given }: Reading): string[] {
  const { SESSION_IDLE_WARNING: warningMs, SESSION_IDLE_TIMEOUT: timeoutMs } = values;
  if (warningMs === undefined || timeoutMs === undefined) return [];
  if (warningMs < timeoutMs || !given.has('SESSION_IDLE_WARNING')) return [];
  const expected = `less than SESSION_IDLE_TIMEOUT, which is ${timeoutMs} ms`;
  return [fault('SESSION_IDLE_WARNING', `${warningMs} ms`, expected, 'shorten it, or lengthen the other')];
}

function poolFaults({ values, given }: Reading): string[] {
  const { DATABASE_POOL_MIN: least, DATABASE_POOL_MAX: most } = values;
  if (least === undefined || most === undefined) return [];
  if (least <= most || !given.has('DATABASE_POOL_MIN')) return [];
  const expected = `at most DATABASE_POOL_MAX, which is ${most}`;
  return [fault('DATABASE_POOL_MIN', `"${least}"`, expected, 'lower it, or raise the other')];
}

function sentinelFaults({ given }: Reading): string[] {
  const faults: string[] = [];
  const [named, listed] = [given.has('REDIS_SENTINEL_NAME'), given.has('REDIS_SENTINELS')];
  if (given.has('REDIS_CLUSTER_NODES') && (named || listed)) {
    const beside = `it together with ${listed ? 'REDIS_SENTINELS' : 'REDIS_SENTINEL_NAME'}`;
    faults.push(fault('REDIS_CLUSTER_NODES', beside, 'a cluster or sentinels, not both', 'remove one of them'));
  }
  if (named !== listed) {
    const missing = named ? 'REDIS_SENTINELS' : 'REDIS_SENTINEL_NAME';
    const other = named ? 'REDIS_SENTINEL_NAME' : 'REDIS_SENTINELS';
    faults.push(fault(missing, 'nothing', `it to be set, because ${other} is`, 'set both or remove both'));
  }
  return faults;
}
