import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';
import { variableNames, variableOf } from './variables.ts';

const SECRET = randomBytes(32).toString('base64url');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'tandem-config-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function put(name: string, content: string | Uint8Array): string {
  const file = path.join(directory, name);
  writeFileSync(file, content);
  return file;
}

function faultsOf(env: Record<string, string>, envFile?: string): readonly string[] {
  const loaded = loadConfig(env, envFile === undefined ? {} : { envFile });
  return loaded.ok ? [] : loaded.faults;
}

describe('.env', () => {
  it('is read, and the environment wins over it', () => {
    const envFile = put('.env', 'PORT=4000\nLOG_LEVEL=debug\n');
    expect(loadConfig({ PORT: '5000' }, { envFile })).toMatchObject({
      ok: true,
      config: { port: 5000, log: { level: 'debug' } },
    });
  });

  it('gives its value where the environment holds an empty one', () => {
    expect(loadConfig({ PORT: '' }, { envFile: put('.env', 'PORT=4000') })).toMatchObject({ config: { port: 4000 } });
  });

  it('decides NODE_ENV, and with it the defaults and what is required', () => {
    const envFile = put('.env', `NODE_ENV=production\nJWT_SECRET=${SECRET}\n`);
    expect(loadConfig({}, { envFile })).toMatchObject({ ok: true, config: { host: '0.0.0.0' } });
    expect(faultsOf({}, put('.env', 'NODE_ENV=production\n'))).toEqual([expect.stringMatching(/^JWT_SECRET: /)]);
  });

  it('may be missing, and is not read unless it is named', () => {
    expect(loadConfig({}, { envFile: path.join(directory, 'none') })).toEqual(loadConfig({}));
  });

  it('takes comments, quotes, Windows line ends and a byte order mark', () => {
    const envFile = put(
      '.env',
      '\ufeffPORT=4000\r\n# LOG_LEVEL=debug\r\nJWT_ISSUER="a # b" # note\r\nexport DRAIN_DELAY=1s\r\n',
    );
    expect(loadConfig({}, { envFile })).toMatchObject({
      ok: true,
      config: { port: 4000, auth: { issuer: 'a # b' }, log: { level: 'info' }, drain: { delayMs: 1000 } },
    });
  });

  it('has its faults reported as those of the environment, unknown limits too', () => {
    const faults = faultsOf({}, put('.env', 'PORT=x\nRATE_LIMIT_FOO=1\n'));
    expect(faults.map((line) => line.split(':')[0]).toSorted()).toEqual(['PORT', 'RATE_LIMIT_FOO']);
  });

  it('is a fault when a line without "=" swallows the variable after it', () => {
    expect(faultsOf({}, put('.env', 'just a note\nPORT=4000\n'))).toEqual([
      expect.stringMatching(/^\.env: received a line before PORT; expected NAME=value/),
    ]);
  });

  it('is a fault when it cannot be read', () => {
    const folder = path.join(directory, 'folder');
    mkdirSync(folder);
    expect(faultsOf({}, folder)).toEqual([expect.stringMatching(/^\.env: .*it is a directory/)]);
    expect(faultsOf({}, put('.env', Buffer.from([0x50, 0x3d, 0xff])))).toEqual([expect.stringMatching(/not UTF-8/)]);
    expect(faultsOf({}, put('.env', '#'.repeat(300_000)))).toEqual([expect.stringMatching(/larger than/)]);
  });
});

describe('a secret from a file', () => {
  it.each(['', '\n', '\r\n'])('loses one newline at its end: %j', (end) => {
    const loaded = loadConfig({ NODE_ENV: 'production', JWT_SECRET_FILE: put('jwt', SECRET + end) });
    expect(loaded).toMatchObject({ ok: true, config: { auth: { jwtSecrets: [SECRET] } } });
  });

  it('gives the tokens of operators', () => {
    const env = { ADMIN_TOKEN_FILE: put('a', `${SECRET}\n`), METRICS_TOKEN_FILE: put('m', 'sixteen-letters.') };
    expect(loadConfig(env)).toMatchObject({ config: { adminToken: SECRET, metricsToken: 'sixteen-letters.' } });
  });

  it('is checked as the variable itself, which the fault names, without its content', () => {
    const faults = faultsOf({
      JWT_SECRET_FILE: put('jwt', 'too-short-planted'),
      ADMIN_TOKEN_FILE: put('a', `${SECRET}\n\n`),
    });
    expect(faults).toEqual([
      expect.stringMatching(
        /^JWT_SECRET: received a value that is not shown, from the file of JWT_SECRET_FILE; .* 17;/,
      ),
      expect.stringMatching(/^ADMIN_TOKEN: received a value that is not shown, from the file of ADMIN_TOKEN_FILE; /),
    ]);
    expect(faults.join()).not.toMatch(new RegExp(`planted|${SECRET}`));
  });

  it('is a fault beside the variable itself', () => {
    const faults = faultsOf({ JWT_SECRET: SECRET, JWT_SECRET_FILE: put('jwt', SECRET) });
    expect(faults).toEqual([
      'JWT_SECRET: received both JWT_SECRET and JWT_SECRET_FILE; expected one of the two; remove one of them',
    ]);
  });

  it('in the environment wins over the variable itself in .env, and the other way round', () => {
    const other = randomBytes(32).toString('base64url');
    const file = put('jwt', SECRET);
    expect(loadConfig({ JWT_SECRET_FILE: file }, { envFile: put('.env', `JWT_SECRET=${other}`) })).toMatchObject({
      config: { auth: { jwtSecrets: [SECRET] } },
    });
    expect(loadConfig({ JWT_SECRET: other }, { envFile: put('.env', `JWT_SECRET_FILE=${file}`) })).toMatchObject({
      config: { auth: { jwtSecrets: [other] } },
    });
  });

  it('is a fault when the file is missing, empty, a directory, endless or no text', () => {
    const expectations = [
      [path.join(directory, 'none'), 'does not exist'],
      [put('empty', '\n'), 'is empty'],
      [directory, 'is a directory'],
      ['/dev/zero', 'larger than'],
      [put('bytes', Buffer.from([0xff, 0xfe, 0x00])), 'not UTF-8'],
      [`${directory}/\u0000`, 'cannot be read'],
    ] as const;
    for (const [file, reason] of expectations) {
      const faults = faultsOf({ NODE_ENV: 'production', JWT_SECRET_FILE: file });
      expect(faults).toEqual([expect.stringMatching(`^JWT_SECRET_FILE: received "/.*${reason}`)]);
    }
  });

  it('is a fault when this user may not read the file', () => {
    const file = put('jwt', SECRET);
    chmodSync(file, 0o000);
    // The superuser may read every file: for it the same file is right.
    const expected = process.getuid?.() === 0 ? [] : [expect.stringMatching(/^JWT_SECRET_FILE: .*may not read/)];
    expect(faultsOf({ JWT_SECRET_FILE: file })).toEqual(expected);
  });

  it('is not shown when somebody gives the secret itself in place of a path', () => {
    const faults = faultsOf({ JWT_SECRET_FILE: 'planted-secret', ADMIN_TOKEN_FILE: 'planted/secret' });
    expect(faults).toHaveLength(2);
    expect(faults.join()).not.toContain('planted');
  });

  it('is possible for every secret', () => {
    const secrets = variableNames().filter((name) => variableOf(name)?.secret);
    expect(secrets).toHaveLength(11);
    for (const name of secrets) {
      const faults = faultsOf({ [`${name}_FILE`]: path.join(directory, 'none') });
      expect(faults[0]).toMatch(`${name}_FILE: received "${directory}/none"; expected the path`);
    }
  });
});

describe('DATABASE_SSL_CA', () => {
  it('may be the path of a PEM file', () => {
    const pem = `${rootCertificates[0] ?? ''}\n`;
    expect(loadConfig({ DATABASE_SSL_CA: put('ca.pem', pem) })).toMatchObject({ config: { database: { sslCa: pem } } });
    expect(faultsOf({ DATABASE_SSL_CA: put('ca.pem', 'no certificate') })).toEqual([
      expect.stringMatching(/^DATABASE_SSL_CA: received ".*ca\.pem"; .*there is no certificate/),
    ]);
  });
});
