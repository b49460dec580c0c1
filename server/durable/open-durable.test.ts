import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { copyDataDirectory } from '../../test/support/data-directory.ts';
import { eventually } from '../../test/support/eventually.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { creation, newSession } from '../../test/support/stored-session.ts';
import { MigrationError } from './migration-error.ts';
import { openDurable, type DurableHooks, type OpenDurable } from './open-durable.ts';

describe('the durable store', () => {
  let postgres: PostgresServer;
  const closing: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(() => postgres.stop());
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(url: string, env: Record<string, string> = {}, hooks: Partial<DurableHooks> = {}) {
    const config = { dataDir: '/nowhere', database: externalPostgres(url, env) };
    const durable = await openDurable(config, { onEvent: () => {}, ...hooks });
    closing.push(() => durable.close());
    return durable;
  }

  async function administer(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    closing.push(() => client.end());
    return client;
  }

  async function connectionsTo(url: string): Promise<number> {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const { rows } = await client.query<{ count: number }>(
      'select count(*)::int from pg_stat_activity where datname = $1',
      [new URL(url).pathname.slice(1)],
    );
    await client.end();
    return rows[0]?.count ?? 0;
  }

  it('is the embedded Postgres where no other is named', async () => {
    const data = await copyDataDirectory();
    closing.push(() => data.remove());
    const durable = await openDurable({ dataDir: data.dir, database: { kind: 'embedded' } }, { onEvent: () => {} });
    closing.push(() => durable.close());
    expect(durable.kind).toBe('embedded');
    await storesAndReads(durable);
    expect(await durable.identity()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is migrated and ready on an empty database, also with a single connection', async () => {
    for (const env of [{}, { DATABASE_POOL_MAX: '1' }, { DATABASE_POOL_MAX: '2', DATABASE_POOL_MIN: '0' }]) {
      const url = await postgres.createDatabase();
      const durable = await open(url, env);
      expect(durable.kind).toBe('postgres');
      await durable.ping();
      await storesAndReads(durable);
    }
  });

  it('names its database, the same for all that share it and another for every other', async () => {
    const [one, other] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const instances = await Promise.all([open(one), open(one), open(other)]);
    const [first, second, third] = await Promise.all(instances.map((durable) => durable.identity()));
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(await (await open(one)).identity()).toBe(first);
  });

  it('takes no more connections than DATABASE_POOL_MAX', async () => {
    const url = await postgres.createDatabase();
    const durable = await open(url, { DATABASE_POOL_MAX: '5' });
    const sessions = Array.from({ length: 40 }, () => newSession());
    await Promise.all(
      sessions.flatMap((session) => [
        durable.store.commit(creation(session)),
        durable.store.loadSession(session.id, 0),
      ]),
    );
    const count = await connectionsTo(url);
    expect(count).toBeGreaterThan(1);
    expect(count).toBeLessThanOrEqual(5);
    await durable.close();
    await eventually(async () => expect(await connectionsTo(url)).toBe(0));
  });

  it('stores nothing after the caller was told that it could not be reached', async () => {
    const url = await postgres.createDatabase();
    const durable = await open(url);
    const admin = await administer(url);
    await admin.query('begin; lock table sessions in access exclusive mode');
    const waiting = newSession();
    // 55P03: the server has given up the wait for the lock, before the client gave up the statement.
    await expect(durable.store.commit(creation(waiting))).rejects.toThrow(/55P03/);
    await expect(durable.store.loadSession(waiting.id, 0)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { code: '55P03' },
    });
    await admin.query('rollback');
    const { rows } = await admin.query(
      "select query from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()",
    );
    expect(rows).toEqual([]);
    expect(await durable.store.loadSession(waiting.id, 0)).toBeNull();
    await durable.store.commit(creation(waiting));
  });

  it('has every statement ended by the server in time, also one that waits for no lock', async () => {
    const url = await postgres.createDatabase();
    const durable = await open(url);
    const admin = await administer(url);
    await admin.query(
      'create or replace function commit_batch(batch json) returns void language plpgsql as ' +
        "'begin perform pg_sleep(30); end'",
    );
    await expect(durable.store.commit(creation(newSession()))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { code: '57014' },
    });
  });

  it.each(['kill', 'stopImmediate'] as const)('works again by itself after %s of the server', async (end) => {
    const own = await startPostgres();
    closing.push(() => own.stop());
    const durable = await open(await own.createDatabase());
    const [before, after] = [newSession(), newSession()];
    await durable.store.commit(creation(before));
    await own[end]();
    await expect(durable.store.commit(creation(after))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(durable.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await own.restart();
    await eventually(() => durable.store.commit(creation(after)));
    expect((await durable.store.loadSessions(0)).map(({ document }) => document.id).sort()).toEqual(
      [before.id, after.id].sort(),
    );
  });

  it('works with no standby that its primary has become, until it is promoted', async () => {
    const own = await startPostgres();
    closing.push(() => own.stop());
    const durable = await open(await own.createDatabase());
    const session = newSession();
    await durable.store.commit(creation(session));
    await own.demote();
    await eventually(async () => {
      await expect(durable.ping()).rejects.toMatchObject({ cause: { message: expect.stringMatching(/standby now/) } });
    });
    await expect(durable.store.loadSession(session.id, 0)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(durable.store.commit(creation(newSession()))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await (await administer(own.url)).query('select pg_promote()');
    await eventually(() => durable.store.commit(creation(newSession())));
    expect(await durable.store.loadSession(session.id, 0)).not.toBeNull();
  });

  it('prepares nothing behind a pooler', async () => {
    const url = await postgres.createDatabase();
    await open(url);
    const admin = await administer(url);
    await admin.query(
      "create role by_pooler login superuser password 'x'; alter role by_pooler set statement_timeout = '1s'",
    );
    const pooled = new URL(url);
    [pooled.username, pooled.password, pooled.search] = ['by_pooler', 'x', '?pgbouncer=true'];
    const names: string[] = [];
    const durable = await open(pooled.href, { DATABASE_POOL_MAX: '1' }, { onQuery: (name) => names.push(name) });
    await storesAndReads(durable);
    await durable.identity();
    expect(names).toContain('commit_batch');
    // Asked over its own only connection: whatever was prepared there would be seen.
    await admin.query('create or replace view deployment_seen as select name as id from pg_prepared_statements');
    await admin.query('alter table deployment rename to hidden; alter view deployment_seen rename to deployment');
    await expect(durable.identity()).rejects.toThrow(/has lost its row/);
  });

  it('closes what it opened when the database can not be migrated', async () => {
    const url = await postgres.createDatabase();
    await open(url);
    const admin = await administer(url);
    await admin.query("update tandem_migrations set checksum = 'another' where version = '20261121000000'");
    const before = await connectionsTo(url);
    await expect(open(url)).rejects.toThrow(MigrationError);
    await eventually(async () => expect(await connectionsTo(url)).toBe(before));
  });

  it('tells that it waits for a database, and that it has come', async () => {
    const own = await startPostgres();
    closing.push(() => own.stop());
    const url = await own.createDatabase();
    await own.stopImmediate();
    const events: string[] = [];
    const durable = await open(
      url,
      {},
      {
        onEvent: (event) => {
          events.push(event);
          if (event === 'lost') void own.restart();
        },
      },
    );
    expect(events).toEqual(['lost', 'recovered']);
    await durable.ping();
  });

  async function storesAndReads({ store }: OpenDurable): Promise<void> {
    const session = newSession();
    await store.commit(creation(session));
    expect((await store.loadSession(session.id, 0))?.document.id).toBe(session.id);
  }
});
