import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';

function faultsOf(env: Record<string, string>): string {
  const loaded = loadConfig(env);
  return loaded.ok ? '' : loaded.faults.join('\n');
}

describe('a fault', () => {
  it('says that a private key was given for a certificate, and shows none of it', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const [, first = ''] = key.split('\n');
    for (const name of ['DATABASE_SSL_CA', 'REDIS_TLS_CA']) {
      // As it is, on one line as some panels keep it, and behind other text.
      for (const given of [key, key.replaceAll('\n', '\\n'), key.replaceAll('\n', ' '), `key: ${key}`]) {
        const said = faultsOf({ [name]: given, DATABASE_URL: 'postgres://u@db/x', REDIS_URL: 'rediss://redis' });
        expect(said).toContain(`${name}: received`);
        expect(said).toContain('-----BEGIN PRIVATE KEY-----');
        expect(said).not.toContain(first.slice(0, 8));
      }
    }
  });

  it('shows no key that stands without its label, or under a label that is none', () => {
    const bare = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA';
    for (const given of [`-----BEGIN ${bare}`, `-----BEGIN PRIVATE KEY${bare}`]) {
      expect(faultsOf({ DATABASE_SSL_CA: given, DATABASE_URL: 'postgres://u@db/x' })).not.toContain('MIIE');
    }
  });

  it('shows of a URL no query, which may hold a key', () => {
    for (const given of ['http://x/?apikey=s3cret y', 'ftp://x/keys?a=1&apikey=s3cret#s3cret', '/keys?s3cret']) {
      const said = faultsOf({ JWT_JWKS_URL: given });
      expect(said).toMatch(/^JWT_JWKS_URL: received ".*\?\*\*\*"/);
      expect(said).not.toContain('s3cret');
    }
    expect(faultsOf({ JWT_JWKS_URL: 'https://u:s3cret@x/?s3cret y' })).toContain('"https://***@x/?***"');
    // What has none is shown as it is.
    expect(faultsOf({ PORT: 'abc' })).toContain('"abc"');
  });
});
