import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyMigrations } from '../scripts/supabase-copy.js';
import { MIGRATIONS_DIRECTORY } from '../server/durable/migration-files.ts';

describe('the copy of the migrations for Supabase', () => {
  let directory: string;
  let to: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tandem-supabase-'));
    to = join(directory, 'supabase/migrations');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('has every file as it is, under a name that the tool takes, in the same order', async () => {
    const names = await copyMigrations(MIGRATIONS_DIRECTORY, to);
    expect(names).toEqual((await readdir(MIGRATIONS_DIRECTORY)).sort());
    expect((await readdir(to)).sort()).toEqual(names);
    for (const name of names) {
      // Its own pattern: what does not fit is passed over without a word.
      expect(name).toMatch(/^\d{14}_\w+\.sql$/);
      expect(await readFile(join(to, name))).toEqual(await readFile(join(MIGRATIONS_DIRECTORY, name)));
    }
    expect(await copyMigrations(MIGRATIONS_DIRECTORY, to)).toEqual(names);
  });

  it('leaves migrations of others alone', async () => {
    await copyMigrations(MIGRATIONS_DIRECTORY, to);
    await writeFile(join(to, '20250101000000_of_others.sql'), 'create table others (n int);');
    await copyMigrations(MIGRATIONS_DIRECTORY, to);
    expect(await readdir(to)).toContain('20250101000000_of_others.sql');
  });

  it('names one of ours that is there no more, and copies nothing', async () => {
    const from = await mkdtemp(join(directory, 'migrations-'));
    await writeFile(join(from, '20260101000000_one.sql'), '-- oldest-code: 0.1.0\nselect 1;');
    await copyMigrations(from, to);
    await rm(join(from, '20260101000000_one.sql'));
    await writeFile(join(from, '20260101000000_renamed.sql'), '-- oldest-code: 0.1.0\nselect 1;');
    await expect(copyMigrations(from, to)).rejects.toThrow(/20260101000000_one\.sql is in .* no more/);
    expect(await readdir(to)).toEqual(['20260101000000_one.sql']);
  });
});

describe('the migrations', () => {
  it('index what is asked', async () => {
    const names = await readdir(MIGRATIONS_DIRECTORY);
    const texts = await Promise.all(names.map((name) => readFile(join(MIGRATIONS_DIRECTORY, name), 'utf8')));
    expect(texts.join('\n').match(/^create index /gm)?.length).toBeGreaterThanOrEqual(15);
  });
});
