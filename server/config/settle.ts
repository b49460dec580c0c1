import { toRedis } from './redis-config.ts';
import { mailWarnings } from './mail-warnings.ts';
import type { Reading } from './values.ts';
import type { Values } from './variables.ts';

/**
 * Lets a default give way where somebody chose a smaller value for the variable that bounds it: whoever sets only
 * SESSION_IDLE_TIMEOUT=4m means that, and not a fault about a warning that he never set.
 */
export function settle(values: Values, given: Reading['given']): { values: Values; warnings: string[] } {
  const warnings = mailWarnings(values);
  if (toRedis(values) !== null && (values.JWT_SECRET ?? []).length === 0) {
    warnings.push('JWT_SECRET: each instance makes one of its own, so a token counts at one of them alone; set it');
  }
  if (values.SUPABASE_URL !== null && values.JWT_JWKS_URL !== null) {
    warnings.push(
      'JWT_JWKS_URL beside SUPABASE_URL: a user is told by the subject of a token alone, so neither issuer may let anybody choose it',
    );
  }
  if (values.NODE_ENV === 'production' && values.JWT_JWKS_URL?.startsWith('http:') === true) {
    warnings.push('JWT_JWKS_URL: whoever is on the way can put in keys of their own; use https');
  }
  let { SESSION_IDLE_WARNING: warningMs, DATABASE_POOL_MIN: poolMin } = values;
  if (!given.has('SESSION_IDLE_WARNING') && warningMs >= values.SESSION_IDLE_TIMEOUT) {
    warningMs = Math.ceil(values.SESSION_IDLE_TIMEOUT / 2);
    warnings.push(
      `SESSION_IDLE_WARNING: its default is not below SESSION_IDLE_TIMEOUT; idle sessions are warned after ${warningMs} ms`,
    );
  }
  if (!given.has('DATABASE_POOL_MIN')) poolMin = Math.min(poolMin, values.DATABASE_POOL_MAX);
  return { values: { ...values, SESSION_IDLE_WARNING: warningMs, DATABASE_POOL_MIN: poolMin }, warnings };
}
