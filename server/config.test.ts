import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DURABILITIES } from '../protocol/session.ts';
import { loadConfig, meetsDurability, type Config } from './config.ts';

type Environment = Record<string, string>;

const SECRET = randomBytes(32).toString('base64url');

function configOf(env: Environment): Config {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  return loaded.config;
}

function faultsOf(env: Environment): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe('configuration', () => {
  it('has the documented defaults in an empty environment', () => {
    expect(configOf({})).toEqual({
      nodeEnv: 'development',
      host: '127.0.0.1',
      port: 3001,
      publicUrl: null,
      trustProxy: { kind: 'hops', hops: 0 },
      corsOrigins: [],
      socketTransports: ['websocket'],
      dataDir: path.resolve('data'),
      sessions: {
        codeLength: 6,
        codeTtlMs: 15 * 60_000,
        graceMs: 10 * 60_000,
        idleWarningMs: 5 * 60_000,
        idleTimeoutMs: 30 * 60_000,
        ttlMs: 24 * 3_600_000,
      },
      messages: { maxBytes: 16_384, hotMessages: 500, retentionMs: 90 * 86_400_000, retryHorizonMs: 3_600_000 },
      durability: 'auto',
      limits: {
        messages_user: { name: 'messages_user', scope: 'user', points: 10, durationMs: 60_000, blockMs: 0 },
        messages_ip: { name: 'messages_ip', scope: 'ip', points: 20, durationMs: 60_000, blockMs: 0 },
        messages_connection: {
          name: 'messages_connection',
          scope: 'connection',
          points: 5,
          durationMs: 1000,
          blockMs: 0,
        },
        connections_ip: { name: 'connections_ip', scope: 'ip', points: 5, durationMs: 60_000, blockMs: 0 },
        signals_connection: {
          name: 'signals_connection',
          scope: 'connection',
          points: 50,
          durationMs: 1000,
          blockMs: 0,
        },
        commands_connection: {
          name: 'commands_connection',
          scope: 'connection',
          points: 50,
          durationMs: 1000,
          blockMs: 0,
        },
        join_failures_ip: { name: 'join_failures_ip', scope: 'ip', points: 5, durationMs: 60_000, blockMs: 300_000 },
        join_failures_total: {
          name: 'join_failures_total',
          scope: 'deployment',
          points: 1000,
          durationMs: 60_000,
          blockMs: 0,
        },
        auth: { name: 'auth', scope: 'ip', points: 5, durationMs: 900_000, blockMs: 900_000 },
        general: { name: 'general', scope: 'ip', points: 100, durationMs: 900_000, blockMs: 0 },
        api: { name: 'api', scope: 'key', points: 1000, durationMs: 3_600_000, blockMs: 0 },
        emails_user: { name: 'emails_user', scope: 'user', points: 10, durationMs: 3_600_000, blockMs: 0 },
        emails_recipient: { name: 'emails_recipient', scope: 'key', points: 3, durationMs: 86_400_000, blockMs: 0 },
      },
      rateLimitFailPolicy: 'memory',
      auth: {
        jwtSecrets: [],
        issuer: 'tandem',
        audience: 'tandem',
        accessTokenTtlMs: 15 * 60_000,
        refreshTokenTtlMs: 7 * 86_400_000,
        jwksUrl: null,
        supabaseUrl: null,
        required: false,
        registrationOpen: true,
      },
      database: { kind: 'embedded', ssl: true, sslCa: null, poolMin: 2, poolMax: 10 },
      redis: null,
      mail: { url: null, from: null },
      webhookSecret: null,
      apiKeys: [],
      adminToken: null,
      metricsToken: null,
      debugApi: false,
      log: { level: 'info', dir: path.resolve('logs'), retentionDays: 14, format: 'pretty' },
      tracing: null,
      drain: { timeoutMs: 25_000, delayMs: 0 },
    });
  });

  it('listens to every network and logs JSON in production', () => {
    const config = configOf({ NODE_ENV: 'production', JWT_SECRET: SECRET });
    expect([config.host, config.log.format]).toEqual(['0.0.0.0', 'json']);
    const chosen = configOf({ NODE_ENV: 'production', JWT_SECRET: SECRET, HOST: '10.1.2.3', LOG_FORMAT: 'pretty' });
    expect([chosen.host, chosen.log.format]).toEqual(['10.1.2.3', 'pretty']);
  });

  it('treats test as development', () => {
    expect(configOf({ NODE_ENV: 'test' })).toEqual({ ...configOf({}), nodeEnv: 'test' });
  });

  it('takes an empty string for a variable that is not set', () => {
    const names = ['NODE_ENV', 'PORT', 'JWT_SECRET', 'REDIS_URL', 'OTEL_X', 'RATE_LIMIT_X', 'JWT_SECRET_FILE'];
    expect(loadConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(loadConfig({}));
  });

  it('is frozen through and through', () => {
    const config = configOf({ CORS_ORIGINS: 'https://a.example', TRUST_PROXY: '10.0.0.1' });
    const inner = [config, config.sessions, config.limits, config.limits.auth, config.corsOrigins, config.trustProxy];
    expect(inner.every(Object.isFrozen)).toBe(true);
    expect(Object.isFrozen(config.trustProxy.kind === 'networks' && config.trustProxy.networks)).toBe(true);
  });

  it('reports every fault at once, each in a line that names variable, value and what to do', () => {
    const bad: Environment = {
      NODE_ENV: 'production',
      PORT: 'abc',
      CORS_ORIGINS: '*',
      TRUST_PROXY: 'true',
      SESSION_TTL: '24',
      LOG_LEVEL: 'loud',
      RATE_LIMIT_AUTH_POINTS: '-1',
      RATE_LIMIT_AUTH_DURATION: '10/minutes',
      DURABILITY: 'fsync',
    };
    const faults = faultsOf(bad);
    expect(faults).toHaveLength(Object.keys(bad).length); // NODE_ENV is right, but lets JWT_SECRET be missed
    for (const [name, value] of Object.entries(bad).filter(([key]) => key !== 'NODE_ENV')) {
      expect(faults.filter((line) => line.startsWith(`${name}: received "${value}"; expected `))).toHaveLength(1);
    }
    expect(faults.some((line) => line.startsWith('JWT_SECRET: received nothing; expected '))).toBe(true);
    expect(faults.every((line) => !line.includes('\n') && line.split('; ').length >= 3)).toBe(true);
  });

  it('keeps a fault in one line, whatever the value holds', () => {
    const [fault = ''] = faultsOf({ PORT: `80\n\r\u2028\u0085\u001b[31m${'x'.repeat(5000)}` });
    expect(fault).toMatch(/^PORT: received "80\\n\\r\\u2028\\u0085\\u001b\[31mx+…"; expected /);
    expect(fault.length).toBeLessThan(400);
  });

  it('does not show the credentials of a URL in a variable that is no secret', () => {
    const password = 'hunter2/@,:x';
    for (const name of ['PUBLIC_URL', 'HOST', 'SUPABASE_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'REDIS_HOST']) {
      for (const value of [`https://me:${password}@h.example`, `me:${password}@h.example`]) {
        const faults = faultsOf({ [name]: value });
        expect(faults.length).toBeGreaterThan(0);
        expect(faults.join()).not.toContain('hunter2');
        expect(faults.join()).toContain('***@h.example');
      }
    }
  });

  it('reads the faults of development when NODE_ENV itself is faulty', () => {
    const faults = faultsOf({ NODE_ENV: 'prod', PORT: '-1' });
    expect(faults.map((line) => line.split(':')[0])).toEqual(['NODE_ENV', 'PORT']);
  });
});

describe('pairs of variables', () => {
  it('refuses an idle warning that is not before the idle close', () => {
    for (const SESSION_IDLE_WARNING of ['2s', '3s']) {
      const faults = faultsOf({ SESSION_IDLE_WARNING, SESSION_IDLE_TIMEOUT: '2s' });
      expect(faults).toEqual([expect.stringMatching(/^SESSION_IDLE_WARNING: .*SESSION_IDLE_TIMEOUT/)]);
    }
    expect(faultsOf({ SESSION_IDLE_WARNING: '45m' })).toHaveLength(1);
    const { sessions } = configOf({ SESSION_IDLE_WARNING: '1999ms', SESSION_IDLE_TIMEOUT: '2s' });
    expect([sessions.idleWarningMs, sessions.idleTimeoutMs]).toEqual([1999, 2000]);
  });

  it('lets the default of the idle warning give way to a short idle timeout, and says so', () => {
    for (const [timeout, warningMs] of [
      ['5m', 150_000],
      ['11ms', 6],
      ['10ms', 5],
    ] as const) {
      const loaded = loadConfig({ SESSION_IDLE_TIMEOUT: timeout });
      expect(loaded).toMatchObject({ ok: true, config: { sessions: { idleWarningMs: warningMs } } });
      expect(loaded.ok && loaded.warnings).toEqual([expect.stringContaining(`${warningMs} ms`)]);
    }
  });

  it('refuses a pool whose floor is above its ceiling, but lets the default of the floor give way', () => {
    expect(faultsOf({ DATABASE_POOL_MIN: '11' })).toEqual([expect.stringContaining('DATABASE_POOL_MAX')]);
    expect(faultsOf({ DATABASE_POOL_MIN: '3', DATABASE_POOL_MAX: '2' })).toHaveLength(1);
    expect(configOf({ DATABASE_POOL_MAX: '1' }).database).toMatchObject({ poolMin: 1, poolMax: 1 });
    expect(configOf({ DATABASE_POOL_MIN: '10' }).database).toMatchObject({ poolMin: 10, poolMax: 10 });
  });

  it('reports a pair also when other variables are faulty', () => {
    const faults = faultsOf({ PORT: 'x', SESSION_IDLE_WARNING: '2s', SESSION_IDLE_TIMEOUT: '1s' });
    expect(faults).toHaveLength(2);
  });

  it('takes any single lifetime to be short', () => {
    for (const name of ['CODE_TTL', 'PARTICIPANT_GRACE', 'SESSION_IDLE_WARNING', 'SESSION_TTL', 'RETRY_HORIZON']) {
      expect(faultsOf({ [name]: '100ms' })).toEqual([]);
    }
    expect(faultsOf({ MESSAGE_RETENTION: '100ms', SESSION_IDLE_TIMEOUT: '100ms' })).toEqual([]);
    expect(faultsOf({ REFRESH_TOKEN_TTL: '1s', DRAIN_TIMEOUT: '100ms', DRAIN_DELAY: '100ms' })).toEqual([]);
  });
});

describe('a mail server', () => {
  const warningsOf = (env: Record<string, string>) => {
    const loaded = loadConfig({ SMTP_URL: 'smtp://mail.example', ...env });
    return loaded.ok ? loaded.warnings : loaded.faults;
  };

  it('of no use to anybody is a warning that says why', () => {
    const production = { NODE_ENV: 'production', JWT_SECRET: randomBytes(32).toString('hex') };
    expect(warningsOf({})).toEqual([expect.stringContaining('MAIL_FROM')]);
    expect(warningsOf({ MAIL_FROM: 'a@example.org' })).toEqual([]);
    expect(warningsOf({ MAIL_FROM: 'a@example.org', ...production })).toEqual([expect.stringContaining('PUBLIC_URL')]);
    const complete = { MAIL_FROM: 'a@example.org', PUBLIC_URL: 'https://tandem.example', ...production };
    expect(warningsOf(complete)).toEqual([]);
  });
});

describe('meetsDurability', () => {
  it('is met by the same level and by every stronger one', () => {
    const met = DURABILITIES.map((actual) => DURABILITIES.map((required) => meetsDurability(actual, required)));
    expect(met).toEqual([
      [true, true, true, true],
      [false, true, true, true],
      [false, false, true, true],
      [false, false, false, true],
    ]);
  });

  it('is met by anything when it is auto', () => {
    expect(DURABILITIES.every((actual) => meetsDurability(actual, 'auto'))).toBe(true);
  });
});
