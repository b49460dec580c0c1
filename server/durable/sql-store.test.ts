import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { TandemError } from '../../protocol/errors.ts';
import { DivergenceError, RefusedCommitError } from '../sessions/ports.ts';
import { startBreakableProxy } from '../../test/support/breakable-proxy.ts';
import { copyDataDirectory } from '../../test/support/data-directory.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { creation, newEvent, newSession } from '../../test/support/stored-session.ts';
import { openTestDatabases } from '../../test/support/test-databases.ts';
import { accountCalls, mailCalls } from './conformance/calls.conformance.ts';
import { describeDurableStore } from './durable.conformance.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';
import { createPool, type Pool } from './pool.ts';
import { connectPostgres } from './postgres.ts';
import { createSqlAccounts, createSqlMailQueue, createSqlStore } from './sql-store.ts';

describeDurableStore('SQL, embedded Postgres', async () => {
  const directory = await copyDataDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
  const proxy = await startBreakableProxy(postgres.connection.host ?? '');
  const pool = createPool({ ...postgres.connection, host: proxy.host }, { max: 4 });
  return {
    store: createSqlStore(pool),
    accounts: createSqlAccounts(pool),
    mailQueue: createSqlMailQueue(pool),
    breakConnections: () => {
      proxy.breakConnections();
      return Promise.resolve();
    },
    close: async () => {
      await pool.end();
      await proxy.close();
      await postgres.stop();
      await directory.remove();
    },
  };
});

describeDurableStore('SQL, Postgres server', async () => {
  const databases = await openTestDatabases();
  const connection = connectPostgres(externalPostgres(await databases.createDatabase()));
  await migrate(connection.migrating, MIGRATIONS_DIRECTORY, '999.0.0');
  const name = `store-${randomUUID()}`;
  const pool = createPool({ ...connection.connection, application_name: name }, { max: 4 });
  const admin = new pg.Client(connection.migrating);
  await admin.connect();
  return {
    store: createSqlStore(pool),
    accounts: createSqlAccounts(pool),
    mailQueue: createSqlMailQueue(pool),
    breakConnections: async () => {
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [name]);
    },
    close: async () => {
      await pool.end();
      await admin.end();
      await databases.stop();
    },
  };
});

describe('the SQL store', () => {
  const session = newSession();

  it('says of every method that the database cannot be reached, when it cannot', async () => {
    const pool = createPool({ host: join(tmpdir(), `no-database-${randomUUID()}`) }, { max: 2 });
    for (const [name, call] of callsOf(pool)) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect([name, error]).toMatchObject([name, { code: 'UNAVAILABLE', retryAfterMs: 1000 }]);
      expect(error).toBeInstanceOf(TandemError);
      expect((error as TandemError).cause).toMatchObject({ code: 'ENOENT' });
    }
    await pool.end();
  });

  it('says so of a database that ends its connections, and of a statement that took too long', async () => {
    const away = [databaseError('57P01'), databaseError('57014'), databaseError('53300'), databaseError('08006')];
    for (const cause of [...away, new Error('Query read timeout'), new Error('Connection terminated unexpectedly')]) {
      for (const [name, call] of callsOf(failing(cause))) {
        const error = await call().catch((thrown: unknown) => thrown);
        // 53: too many connections; a commit that met it stored nothing, and says so.
        if (name === 'commit' && cause === away[2]) expect(error).toBeInstanceOf(RefusedCommitError);
        else expect(error).toMatchObject({ name: 'TandemError', code: 'UNAVAILABLE', cause });
      }
    }
  });

  it('hands on what is a fault of ours, and what the database refuses', async () => {
    for (const fault of [databaseError('42703'), new RangeError('no number holds this')]) {
      for (const [name, call] of callsOf(failing(fault))) {
        if (name !== 'commit') await expect(call()).rejects.toBe(fault);
      }
    }
    const commit = (code: string) => createSqlStore(failing(databaseError(code))).commit(creation(session));
    await expect(commit('23514')).rejects.toThrow(RefusedCommitError);
    await expect(commit('TD001')).rejects.toThrow(DivergenceError);
  });

  function callsOf(pool: Pool): [string, () => Promise<unknown>][] {
    const { id } = session;
    const store = createSqlStore(pool);
    return [
      ['commit', () => store.commit(creation(session))],
      ['loadSessions', () => store.loadSessions(0)],
      ['loadSession', () => store.loadSession(id, 0)],
      ['readMessages', () => store.readMessages(id, { afterSeq: 0, limit: 1 })],
      ['findSend', () => store.findSend(id, id, 'message-1')],
      ['recentSends', () => store.recentSends(id, 0, 1)],
      ['raiseEpoch', () => store.raiseEpoch(id, 1)],
      ['findByCode', () => store.findByCode('BCD234', 0)],
      ['findByKey', () => store.findByKey('a key')],
      ['openHeads', () => store.openHeads(null, 1)],
      ['closedAmong', () => store.closedAmong([id])],
      ['listSessions', () => store.listSessions(null, { cursor: null, limit: 1 }, 0)],
      ['searchSessions', () => store.searchSessions('0', null, { cursor: null, limit: 1 }, 0)],
      ['leftSeats', () => store.leftSeats(id)],
      ['sessionsOfUser', () => store.sessionsOfUser('user-1', { cursor: null, limit: 1 }, 0)],
      ['recordEvents', () => store.recordEvents([newEvent({ sessionId: id })])],
      ['sessionEvents', () => store.sessionEvents(id, { cursor: null, limit: 1 })],
      ['analytics', () => store.analytics('2026-01-01', '2026-01-31')],
      ['expire', () => store.expire({ olderThan: 0, keepNewest: 1, now: 0, atMost: 1 })],
      ['seatsOfUser', () => store.seatsOfUser(id, 'user-1')],
      ['ping', () => store.ping()],
      ...accountCalls(createSqlAccounts(pool)),
      ...mailCalls(createSqlMailQueue(pool)),
    ];
  }

  function failing(error: Error): Pool {
    return { query: () => Promise.reject(error), end: () => Promise.resolve() };
  }

  function databaseError(code: string): pg.DatabaseError {
    return Object.assign(new pg.DatabaseError(`error ${code}`, 0, 'error'), { code });
  }
});
