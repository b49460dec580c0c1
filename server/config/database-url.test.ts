import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';
import { databaseUrl } from './database-url.ts';

function read(text: string) {
  const parsed = databaseUrl(text, { production: true });
  if (!parsed.ok) throw new Error(parsed.problems[0]?.expected);
  return parsed.value;
}

describe('DATABASE_URL', () => {
  it('comes apart into what the driver needs', () => {
    expect(read('postgres://app:s%40cr%2Ft@db.example:6432/tandem?sslmode=verify-full')).toEqual({
      host: 'db.example',
      port: 6432,
      user: 'app',
      password: 's@cr/t',
      database: 'tandem',
      applicationName: null,
      options: null,
      isPooled: false,
      channelBinding: false,
      tls: 'required',
    });
    expect(read('POSTGRESQL://app@[::1]/tandem')).toMatchObject({ host: '::1', port: 5432, password: '' });
    expect(read('postgres://app@%2Frun%2Fpostgresql/tandem')).toMatchObject({ host: '/run/postgresql' });
    expect(read('postgresql:///tandem?host=/run/pg&user=app&port=6000')).toMatchObject({ host: '/run/pg', port: 6000 });
    expect(
      read(
        'postgres://app@h/t?application_name=one&options=-c%20search_path%3Dx&pgbouncer=true&channel_binding=require',
      ),
    ).toMatchObject({ applicationName: 'one', options: '-c search_path=x', isPooled: true, channelBinding: true });
  });

  it.each([
    ['no user', 'postgres://db.example/tandem', /names no user/],
    ['no database', 'postgres://app:x@db.example', /names no database/],
    ['a path in place of a database', 'postgres://app:x@db.example/a/b', /names no database/],
    ['a lone "%"', 'postgres://app:100%@db.example/tandem', /not encoded/],
    ['a "#" in its password', 'postgres://app:x@db.example/tandem#y', /%23/],
    ['several hosts', 'postgres://app:x@one,two/tandem', /host/],
    ['certificates that nobody would verify', 'postgres://app:x@h/t?sslmode=no-verify', /always verified/],
    ['an unknown sslmode', 'postgres://app:x@h/t?sslmode=yes', /sslmode is none of/],
    ['a file of certificates', 'postgres://app:x@h/t?sslrootcert=/ca.pem', /DATABASE_SSL_CA/],
    ['the parameter of another driver', 'postgres://app:x@h/t?schema=x', /search_path/],
    ['a key of every object', 'postgres://app:x@h/t?constructor=x', /of parameters it may have/],
  ])('is refused with %s', (_what, text, reason) => {
    expect(() => read(text)).toThrow(reason);
  });

  it('shows nothing of a password that was not encoded', () => {
    for (const text of [
      'postgres://app:pl?anted=x@h/t',
      'postgres://app:5?planted=x@h/t',
      'postgres://app:pl#anted@h/t',
    ]) {
      const loaded = loadConfig({ DATABASE_URL: text });
      expect(loaded.ok).toBe(false);
      expect(JSON.stringify(loaded)).not.toMatch(/pl\?|anted/);
    }
  });
});

describe('DATABASE_URL beside DATABASE_SSL', () => {
  function faults(mode: string, ssl?: string): readonly string[] {
    const loaded = loadConfig({
      DATABASE_URL: `postgres://app:planted@h/t?${mode}`,
      ...(ssl === undefined ? {} : { DATABASE_SSL: ssl }),
    });
    return loaded.ok ? [] : loaded.faults;
  }

  it.each(['sslmode=disable', 'ssl=false'])('does not give up TLS for %s alone', (mode) => {
    expect(faults(mode)).toEqual([expect.stringMatching(/^DATABASE_SSL: received true; .*set it to false/)]);
    expect(faults(mode, 'true')).toHaveLength(1);
    expect(faults(mode, 'false')).toEqual([]);
  });

  it.each(['sslmode=require', 'sslmode=verify-ca', 'sslmode=verify-full', 'ssl=true'])(
    'does not give up %s for DATABASE_SSL=false',
    (mode) => {
      expect(faults(mode, 'false')).toEqual([expect.stringMatching(/^DATABASE_SSL: received false; .*require TLS/)]);
      expect(faults(mode)).toEqual([]);
    },
  );

  it('takes what DATABASE_SSL says where the URL leaves it open', () => {
    for (const mode of ['', 'sslmode=prefer', 'sslmode=allow']) {
      for (const ssl of ['true', 'false']) expect(faults(mode, ssl)).toEqual([]);
    }
  });

  it('says which database it is', () => {
    expect(loadConfig({})).toMatchObject({ config: { database: { kind: 'embedded', ssl: true, poolMax: 10 } } });
    expect(loadConfig({ DATABASE_URL: 'postgres://app:x@h/t', DATABASE_POOL_MAX: '4' })).toMatchObject({
      config: { database: { kind: 'external', host: 'h', database: 't', ssl: true, sslCa: null, poolMax: 4 } },
    });
  });
});
