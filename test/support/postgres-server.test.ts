import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startPostgres, type PostgresServer } from './postgres-server.ts';
import { openTestDatabases } from './test-databases.ts';

describe('a Postgres of the tests', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());

  async function query(url: string, sql: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<pg.QueryResultRow>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('makes databases that know nothing of each other', async () => {
    const [one, other] = [await postgres.createDatabase(), await postgres.createDatabase()];
    await query(one, 'create table t (n int)');
    expect(await query(other, "select to_regclass('t') as t")).toEqual([{ t: null }]);
  });

  it.each(['kill', 'stopImmediate'] as const)('comes back after %s with all that was committed', async (end) => {
    const url = await postgres.createDatabase();
    await query(url, 'create table t as select 7 as n');
    await postgres[end]();
    await expect(query(url, 'select 1')).rejects.toThrow(/ECONNREFUSED/);
    await postgres.restart();
    expect(await query(url, 'select n from t')).toEqual([{ n: 7 }]);
  });

  it('is followed by a standby that does not write', async () => {
    const standby = await postgres.startStandby();
    expect(await query(standby.url, 'select pg_is_in_recovery() as is')).toEqual([{ is: true }]);
    await expect(query(standby.url, 'create table t (n int)')).rejects.toThrow(/read-only/);
    await standby.stop();
  });

  it('shows a certificate for the names that were asked for', async () => {
    const secure = await startPostgres({ ssl: ['DNS:elsewhere.example'] });
    const connect = async (checkServerIdentity?: () => undefined) => {
      const ssl = { ca: secure.sslCa ?? '', ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }) };
      const client = new pg.Client({ connectionString: secure.url, ssl });
      await client.connect();
      await client.end();
    };
    await connect(() => undefined);
    await expect(connect()).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await secure.stop();
  });

  it('leaves nothing behind', async () => {
    const other = await startPostgres();
    const [row] = (await query(other.url, 'show data_directory')) as { data_directory: string }[];
    expect(existsSync(row?.data_directory ?? '')).toBe(true);
    await other.stop();
    await other.stop();
    expect(existsSync(row?.data_directory ?? '')).toBe(false);
    await expect(query(other.url, 'select 1')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('is not started where TEST_DATABASE_URL names one, which gets a database and loses it again', async () => {
    const before = process.env['TEST_DATABASE_URL'];
    process.env['TEST_DATABASE_URL'] = postgres.url;
    try {
      const databases = await openTestDatabases();
      const url = await databases.createDatabase();
      expect(new URL(url).port).toBe(String(postgres.port));
      await query(url, 'create table t (n int)');
      await databases.stop();
      await expect(query(url, 'select 1')).rejects.toMatchObject({ code: '3D000' });
    } finally {
      if (before === undefined) delete process.env['TEST_DATABASE_URL'];
      else process.env['TEST_DATABASE_URL'] = before;
    }
  });
});
