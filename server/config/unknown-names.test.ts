import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe('parts that are not in this version', () => {
  it('are a fault under any name of their family, also one that no table holds', () => {
    for (const name of ['OTEL_SERVICE_NAME', 'OTEL_EXPORTER_OTLP_HEADERS']) {
      expect(faultsOf({ [name]: 'x' })).toEqual([expect.stringMatching(`^${name}: .*not available in this version`)]);
    }
  });

  it('stand beside the faults of their shape', () => {
    expect(faultsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://h' })).toEqual([
      expect.stringContaining('not available in this version'),
      expect.stringContaining('http:// or https://'),
    ]);
  });
});

describe('names that stand in no table', () => {
  it('are a fault with the nearest names when they belong to the rate limits', () => {
    for (const [name, near] of [
      ['RATE_LIMIT_MESSAGE_USER_POINTS', 'RATE_LIMIT_MESSAGES_USER_POINTS'],
      ['RATE_LIMIT_AUTH', 'RATE_LIMIT_AUTH_BLOCK'],
      ['RATE_LIMIT_FAIL_POLCY', 'RATE_LIMIT_FAIL_POLICY'],
      ['RATE_LIMIT_messages_user_points', 'RATE_LIMIT_MESSAGES_USER_POINTS'],
    ] as const) {
      expect(faultsOf({ [name]: '1' })).toEqual([expect.stringMatching(`^${name}: .*${near}`)]);
    }
  });

  it('are a warning when they are near to ours, and nothing when they are not', () => {
    const loaded = loadConfig({
      SESION_TTL: '1h',
      PORT_FILE: '/x',
      PATH: '/bin',
      HOSTNAME: 'h',
      LOGNAME: 'me',
      PWD: '/',
      POST: '1',
    });
    expect(loaded).toMatchObject({ ok: true });
    expect(loaded.ok && loaded.warnings).toEqual([
      expect.stringMatching(/^SESION_TTL: .*SESSION_TTL/),
      expect.stringMatching(/^PORT_FILE: .*PORT/),
    ]);
  });
});
