import { fault } from './faults.ts';
import { redisFaults } from './redis-faults.ts';
import { supabaseFaults } from './supabase-faults.ts';
import type { Reading } from './values.ts';

/**
 * Faults that lie between variables, each sound by itself. Only pairs that no operator can mean: a lifetime that is
 * shorter than another is no fault, the shorter one simply comes first. A default that is in the way gives way (see
 * `settle`), so only a value that somebody chose can be a fault.
 */
export function crossFaults(reading: Reading): string[] {
  return [
    ...idleFaults(reading),
    ...poolFaults(reading),
    ...databaseTlsFaults(reading),
    ...supabaseFaults(reading),
    ...redisFaults(reading),
  ];
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

/** A URL neither weakens what `DATABASE_SSL` asks for, nor is it weakened: somebody believes in what it says. */
function databaseTlsFaults({ values }: Reading): string[] {
  const { DATABASE_URL: address, DATABASE_SSL: ssl } = values;
  if (address === undefined || address === null || ssl === undefined) return [];
  if (address.tls === 'refused' && ssl) {
    const expected = 'true only beside a DATABASE_URL that does not refuse TLS (sslmode=disable)';
    return [
      fault('DATABASE_SSL', 'true', expected, 'set it to false for a local server, or remove sslmode from the URL'),
    ];
  }
  if (address.tls === 'required' && !ssl) {
    const expected = 'false only beside a DATABASE_URL that does not require TLS (sslmode=require or stronger)';
    return [fault('DATABASE_SSL', 'false', expected, 'remove it for true, or remove sslmode from the URL')];
  }
  return [];
}
