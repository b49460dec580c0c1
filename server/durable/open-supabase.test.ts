import { mkdtemp, readdir, copyFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startDataApi, type DataApi } from '../../test/support/data-api.ts';
import { eventually } from '../../test/support/eventually.ts';
import { creation, newSession } from '../../test/support/stored-session.ts';
import { startSupabaseLite, type SupabaseLite } from '../../test/support/supabase-lite.ts';
import { DatabaseStartError } from './database-start-error.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { MigrationError } from './migration-error.ts';
import { openDurable, type DurableHooks } from './open-durable.ts';
import { createSupabaseCalls } from './supabase-client.ts';
import { contactSupabase } from './supabase-start.ts';

describe('the durable store in a Supabase project', () => {
  let lite: SupabaseLite;
  beforeAll(async () => {
    lite = await startSupabaseLite();
  }, 180_000);
  afterAll(() => lite.stop());

  const open = (serviceRoleKey: string, hooks: Partial<DurableHooks> = {}) =>
    openDurable(
      {
        dataDir: '/nowhere',
        database: { kind: 'supabase', url: lite.url, serviceRoleKey, poolMin: 0, poolMax: 4 },
      },
      { onEvent: () => {}, ...hooks },
    );

  it('is ready when the project has all migrations, and names its database', async () => {
    const queries: string[] = [];
    const durable = await open(lite.secretKey, { onQuery: (name) => queries.push(name) });
    expect(durable.kind).toBe('supabase');
    await durable.ping();
    const session = newSession();
    await eventually(() => durable.store.commit(creation(session)));
    expect((await eventually(() => durable.store.loadSession(session.id, 0)))?.document.id).toBe(session.id);
    const identity = await eventually(() => durable.identity());
    expect(identity).toMatch(/^[0-9a-f-]{36}$/);
    expect(queries).toEqual(expect.arrayContaining(['schema', 'commit', 'load_session', 'identity']));
    await durable.close();
    await expect(durable.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const again = await open(lite.secretKey);
    expect(await eventually(() => again.identity())).toBe(identity);
    await again.close();
  });

  it('starts with no key of another role, and says which one is wanted', async () => {
    await expect(open(lite.publishableKey)).rejects.toThrow(
      /^SUPABASE_SERVICE_ROLE_KEY: the role of this key may not use .*42501.*service_role key/,
    );
    await expect(open('sb_secret_of_another_project')).rejects.toThrow(
      /^SUPABASE_SERVICE_ROLE_KEY: the project at http.* refused the key \(Invalid API key \(HTTP 401\)\)/,
    );
    await expect(open('sb_secret_of_another_project')).rejects.toThrow(DatabaseStartError);
  });

  it('names the migration that the project lacks, and what to run', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'tandem-migrations-'));
    for (const name of await readdir(MIGRATIONS_DIRECTORY)) {
      await copyFile(path.join(MIGRATIONS_DIRECTORY, name), path.join(directory, name));
    }
    await writeFile(path.join(directory, '20991231000000_later.sql'), '-- oldest-code: 0.1.0\nselect 1;\n');
    await writeFile(path.join(directory, '20991231000001_even_later.sql'), '-- oldest-code: 0.1.0\nselect 1;\n');
    const project = { url: lite.url, serviceRoleKey: lite.secretKey };
    const calls = createSupabaseCalls(project, { max: 1, callMs: 10_000 });
    const contact = contactSupabase(calls, project, { directory, codeVersion: '0.1.0' });
    await expect(contact).rejects.toThrow(MigrationError);
    await expect(contact).rejects.toThrow(
      /^The Supabase project lacks the migration 20991231000000_later and 1 later, .*`supabase db push`.*`npm run migrate`/,
    );
    await rm(directory, { recursive: true });
  });

  it('knows from the ledger of a push which code is too old', async () => {
    const project = { url: lite.url, serviceRoleKey: lite.secretKey };
    const calls = createSupabaseCalls(project, { max: 1, callMs: 10_000 });
    const wanted = { directory: MIGRATIONS_DIRECTORY, codeVersion: '0.0.9' };
    await expect(contactSupabase(calls, project, wanted)).rejects.toThrow(
      /^The database was migrated by 20261121000000_sessions, which needs version 0.1.0 .* this is version 0.0.9/,
    );
  });
});

describe('the first call to a Supabase project', () => {
  let api: DataApi;
  beforeEach(async () => {
    api = await startDataApi();
  });
  afterEach(() => api.close());

  const json = (status: number, body: unknown) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };

  function contact(options: Parameters<typeof contactSupabase>[3] = { patienceMs: 0 }, url = api.url) {
    const project = { url, serviceRoleKey: 'sb_secret_x' };
    const wanted = { directory: MIGRATIONS_DIRECTORY, codeVersion: '0.1.0' };
    return contactSupabase(createSupabaseCalls(project, { max: 1 }), project, wanted, options);
  }

  it('finds none of ours in an empty project', async () => {
    api.answer(json(404, { code: 'PGRST202', message: 'Could not find the function' }));
    await expect(contact()).rejects.toThrow(
      /^The Supabase project lacks the migration 20261121000900_supabase_functions, .*`supabase db push`/,
    );
    expect(api.requests).toHaveLength(1);
  });

  it('says that nobody is there, and that somebody else is', async () => {
    await expect(contact({ patienceMs: 0 }, 'http://127.0.0.1:1')).rejects.toThrow(
      /^SUPABASE_URL: the project at http:\/\/127.0.0.1:1 cannot be reached \(.*\); correct the address/,
    );
    api.answer(json(404, {}));
    await expect(contact()).rejects.toThrow(/^SUPABASE_URL: what answers at .* is not the Data API .*HTTP 404/);
  });

  it('waits for a project that starts, and says so once', async () => {
    const versions = (await readdir(MIGRATIONS_DIRECTORY)).map((name) => ({
      version: name.slice(0, 14),
      name,
      oldestCode: '0.1.0',
    }));
    let asked = 0;
    api.answer((response) => {
      asked += 1;
      if (asked < 3) json(503, { code: 'PGRST002', message: 'starting' })(response);
      else json(200, { ours: versions, pushed: [] })(response);
    });
    const waits: string[] = [];
    expect(await contact({ onWaiting: ({ message }) => waits.push(message) })).toEqual({ attempts: 3 });
    expect(waits).toEqual([expect.stringMatching(/cannot work now \(starting \(PGRST002\)\)/)]);
  });

  it('ends the waiting with the signal', async () => {
    api.answer(json(503, {}));
    const ending = new AbortController();
    const waiting = contact({ signal: ending.signal, onWaiting: () => ending.abort() });
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});
