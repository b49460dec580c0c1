import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';

const SECRET = randomBytes(32).toString('base64url');
const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: SECRET };

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe('production', () => {
  it('needs a secret for access tokens', () => {
    expect(faultsOf({ NODE_ENV: 'production' })).toEqual([expect.stringMatching(/^JWT_SECRET: received nothing; /)]);
    expect(faultsOf(PRODUCTION)).toEqual([]);
  });

  it.each([
    'a'.repeat(32),
    'ab'.repeat(20),
    'secret'.repeat(6),
    'secret-secret-secret-secret-secret-1',
    'changeme'.repeat(4),
    'changeme-0123456789-abcdefghijklmnop',
    'CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME',
    'please-change-this-to-something-long',
    'your-super-secret-jwt-key-default-example',
    'your-256-bit-secret-your-256-bit-secret',
    'super-secret-jwt-token-with-at-least-32-characters-long',
    'your-super-secret-jwt-key-change-in-production',
    'your-super-secret-jwt-key-change-this-in-production',
    'your-secret-key-change-this-in-production',
    'your-super-secret-jwt-token-with-at-least-32-characters-long',
    'your-jwt-secret-at-least-32-characters-long',
    'dev-secret-dev-secret-dev-secret-dev',
    'mysecretmysecretmysecretmysecretmysecret',
    'development-secret-do-not-use-in-production',
    'replace-with-a-32-byte-random-secret-value',
    '12345678901234567890123456789012',
    'abcdefghijklmnopqrstuvwxyz123456',
    '0123456789abcdef0123456789abcdef',
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
    'zyxwvutsrqponmlkjihgfedcba9876543210',
    'qwertyuiopasdfghjklzxcvbnm123456',
  ])('refuses the known default %s, which development takes', (value) => {
    for (const secret of [value, `${SECRET},${value}`, `${value},${SECRET}`]) {
      expect(faultsOf({ NODE_ENV: 'production', JWT_SECRET: secret })).toEqual([
        expect.stringMatching(/^JWT_SECRET: /),
      ]);
      expect(faultsOf({ JWT_SECRET: secret })).toEqual([]);
    }
  });

  it.each(['0123456789abcdef', 'dev-secret-token', 'my-admin-token-1', 'your-metrics-token'])(
    'refuses the known default %s as an operator’s token',
    (token) => {
      expect(faultsOf({ ...PRODUCTION, ADMIN_TOKEN: token, METRICS_TOKEN: token })).toHaveLength(2);
      expect(faultsOf({ ADMIN_TOKEN: token, METRICS_TOKEN: token })).toEqual([]);
    },
  );

  it('refuses a known default as an operator’s token', () => {
    expect(
      faultsOf({ ...PRODUCTION, ADMIN_TOKEN: 'changeme-changeme', METRICS_TOKEN: 'secret-secret-secret' }),
    ).toHaveLength(2);
    expect(faultsOf({ ADMIN_TOKEN: 'changeme-changeme', METRICS_TOKEN: 'secret-secret-secret' })).toEqual([]);
  });

  it('takes secrets as generators make them', () => {
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      for (let round = 0; round < 600; round += 1) {
        const secret = randomBytes(32).toString(encoding);
        expect(faultsOf({ NODE_ENV: 'production', JWT_SECRET: secret, ADMIN_TOKEN: secret })).toEqual([]);
      }
    }
    expect(faultsOf({ NODE_ENV: 'production', JWT_SECRET: '(!$%&/=?+*~#-_.;:<>|^@{[]})(!$%&' })).toEqual([]);
    expect(faultsOf({ NODE_ENV: 'production', JWT_SECRET: 'correct horse battery staple and a key' })).toEqual([]);
  });

  it('refuses any origin, and names each faulty entry', () => {
    expect(faultsOf({ ...PRODUCTION, CORS_ORIGINS: '*' })).toEqual([
      expect.stringContaining('CORS_ORIGINS: received "*"'),
    ]);
    expect(faultsOf({ ...PRODUCTION, CORS_ORIGINS: 'https://ok.example,b.example,https://c.example/x' })).toEqual([
      expect.stringContaining('CORS_ORIGINS: received "b.example"'),
      expect.stringContaining('CORS_ORIGINS: received "https://c.example/x"'),
    ]);
  });
});
