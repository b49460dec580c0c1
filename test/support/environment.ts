import { LIMITS } from '../../protocol/limits.ts';

/** What every server of a test runs on, unless the test says otherwise. */
export type Environment = Record<string, string>;

/** The limits are smaller than any scenario: those that are not the subject of a test are off. */
export const NO_LIMITS: Environment = Object.fromEntries(
  Object.keys(LIMITS).map((name) => [`RATE_LIMIT_${name.toUpperCase()}_POINTS`, '0']),
);

export function testEnvironment(dataDir: string, own: Environment): Environment {
  return {
    ...NO_LIMITS,
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDir,
    LOG_DIR: '-',
    LOG_FORMAT: 'json',
    ...own,
  };
}

/** Puts one limit back to what it is by default, or to what the test wants of it. */
export function limit(name: keyof typeof LIMITS, own: { points?: number; durationSeconds?: number } = {}): Environment {
  const { points, durationSeconds } = LIMITS[name];
  const variable = `RATE_LIMIT_${name.toUpperCase()}`;
  return {
    [`${variable}_POINTS`]: String(own.points ?? points),
    [`${variable}_DURATION`]: String(own.durationSeconds ?? durationSeconds),
  };
}
