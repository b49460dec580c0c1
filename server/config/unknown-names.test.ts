import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe('variables of OpenTelemetry that are not read', () => {
  it('are a warning that names those that are, and never a value', () => {
    const loaded = loadConfig({ OTEL_TRACES_EXPORTER: 'planted', OTEL_RESOURCE_ATTRIBUTES: 'planted=1' });
    expect(loaded.ok && loaded.warnings).toEqual([
      expect.stringMatching(/^OTEL_TRACES_EXPORTER: .*OTEL_EXPORTER_OTLP_ENDPOINT, .*OTEL_TRACES_SAMPLER_ARG/),
      expect.stringMatching(/^OTEL_RESOURCE_ATTRIBUTES: /),
    ]);
    expect(JSON.stringify(loaded)).not.toContain('planted');
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
