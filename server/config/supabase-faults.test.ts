import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';

const SUPABASE_URL = 'https://x.supabase.co';
const SUPABASE_SERVICE_ROLE_KEY = 'sb_secret_abcdefgh';

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

describe('a Supabase project', () => {
  it('is the database when both of its variables are set', () => {
    const loaded = loadConfig({ SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY, DATABASE_POOL_MAX: '4' });
    expect(loaded).toMatchObject({
      ok: true,
      config: {
        database: { kind: 'supabase', url: SUPABASE_URL, serviceRoleKey: SUPABASE_SERVICE_ROLE_KEY, poolMax: 4 },
      },
    });
  });

  it('has an address and a key, or neither', () => {
    expect(faultsOf({ SUPABASE_URL })).toEqual([
      expect.stringMatching(/^SUPABASE_SERVICE_ROLE_KEY: received nothing; .*because SUPABASE_URL is/),
    ]);
    expect(faultsOf({ SUPABASE_SERVICE_ROLE_KEY })).toEqual([
      expect.stringMatching(/^SUPABASE_URL: received nothing; .*because SUPABASE_SERVICE_ROLE_KEY is/),
    ]);
  });

  it('is there for its users alone, beside the database of DATABASE_URL', () => {
    for (const key of [{}, { SUPABASE_SERVICE_ROLE_KEY }]) {
      const loaded = loadConfig({ SUPABASE_URL, ...key, DATABASE_URL: 'postgres://u:p@h/t' });
      const auth = { supabaseUrl: SUPABASE_URL };
      expect(loaded).toMatchObject({ ok: true, config: { database: { kind: 'external' }, auth } });
    }
  });

  it('leaves variables that other programs have for it alone', () => {
    const loaded = loadConfig({ SUPABASE_ANON_KEY: 'x', SUPABASE_DB_URL: 'x' });
    expect(loaded).toMatchObject({ ok: true, config: { database: { kind: 'embedded' } } });
  });
});
