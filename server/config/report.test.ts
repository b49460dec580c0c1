import { expect, it } from '@jest/globals';
import { loadConfig, type Config } from '../config.ts';
import { reportConfig } from './report.ts';
import { variableNames, variableOf } from './variables.ts';

const HASH = 'ab'.repeat(32);

/** A value for each variable that is a secret, and what of it must not be seen. */
const PLANTED: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  JWT_SECRET: ['planted-jwt-one-0123456789abcdefghi,planted-jwt-two-0123456789abcdefghi', ['planted-jwt']],
  API_KEYS: [`shop:${HASH}`, [HASH]],
  ADMIN_TOKEN: ['planted-admin-token', ['planted-admin']],
  METRICS_TOKEN: ['planted-metrics-token', ['planted-metrics']],
  WEBHOOK_SECRET: ['whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC0wMTIzNDU=', ['cGxhbnRlZC', 'planted-webhook']],
  DATABASE_URL: ['postgres://ann:planted-db-password@db.example:5432/tandem', ['planted-db']],
  SUPABASE_SERVICE_ROLE_KEY: ['sb_secret_planted', ['sb_secret']],
  REDIS_URL: ['redis://ann:planted-redis-password@redis.example:6379/0', ['planted-redis']],
  REDIS_PASSWORD: ['planted-redis-word', ['planted-redis']],
  SMTP_URL: ['smtps://ann:planted-mail-password@mail.example', ['planted-mail']],
  OTEL_EXPORTER_OTLP_HEADERS: ['api-key=planted-collector-key', ['planted-collector']],
};

const OTHERS = {
  MAIL_FROM: 'ann@example.com',
  SUPABASE_URL: 'https://project.supabase.co',
  JWT_JWKS_URL: 'https://ann:planted-keys@issuer.example/keys?key=planted-keys',
  JWT_ISSUER: 'https://issuer.example',
};

function configOf(env: Record<string, string>): Config {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  return loaded.config;
}

it('every secret of the table is planted here', () => {
  const secrets = variableNames().filter((name) => variableOf(name)?.secret === true);
  expect(Object.keys(PLANTED).sort()).toEqual([...secrets].sort());
});

it('shows none of them, and says that they are there', () => {
  for (const [name, [value, hidden]] of Object.entries(PLANTED)) {
    const partners = name === 'SUPABASE_SERVICE_ROLE_KEY' ? { SUPABASE_URL: OTHERS.SUPABASE_URL } : {};
    const host = name === 'REDIS_PASSWORD' ? { REDIS_HOST: 'redis.example' } : {};
    const traces = name.startsWith('OTEL_') ? { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example' } : {};
    const report = JSON.stringify(reportConfig(configOf({ ...partners, ...host, ...traces, [name]: value })));
    for (const part of hidden) expect([name, report.includes(part)]).toEqual([name, false]);
    expect([name, report.includes('set, not shown')]).toEqual([name, true]);
  }
});

it('hides what a configuration might hold one day', () => {
  const later = { pepper: 'planted', deep: [{ credential: 'planted', empty: '' }], issuer: 'planted', count: 7 };
  const report = reportConfig({ ...configOf({}), later } as Config);
  expect(report['later']).toEqual({
    ...{ pepper: 'set, not shown', issuer: 'set, not shown', count: 7 },
    deep: [{ credential: 'set, not shown', empty: 'not set' }],
  });
});

it('shows where things are, what is off and how large it is, and of a URL the way alone', () => {
  const [redis = ''] = PLANTED['REDIS_URL'] ?? [];
  const [keys = ''] = PLANTED['API_KEYS'] ?? [];
  const env = { ...OTHERS, SUPABASE_URL: '', REDIS_URL: redis, API_KEYS: keys, CORS_ORIGINS: 'https://app.example' };
  const report = reportConfig(configOf(env));
  expect(report).toMatchObject({
    ...{ nodeEnv: 'development', port: 3001, corsOrigins: ['https://app.example'], adminToken: null },
    auth: { jwtSecrets: [], issuer: OTHERS.JWT_ISSUER, jwksUrl: 'https://issuer.example/keys', required: false },
    redis: { topology: { kind: 'standalone', host: 'redis.example', port: 6379 }, username: 'ann' },
    apiKeys: [{ name: 'shop', sha256: 'set, not shown' }],
    limits: { auth: { name: 'auth', scope: 'ip', points: 5 } },
    mail: { url: null, from: 'set, not shown' },
  });
  expect(JSON.stringify(report)).not.toContain('planted');
});
