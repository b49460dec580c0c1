import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../../test/support/eventually.ts';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import { commitBatchJson } from './commit-batch-json.ts';

describe('a commit that is under way in a Postgres server', () => {
  let database: SqlDatabase;
  let other: pg.Client;

  beforeAll(async () => {
    database = await openSqlDatabase('Postgres server');
    other = new pg.Client(database.connection);
    await other.connect();
  });
  afterAll(async () => {
    await other.end();
    await database.close();
  });

  it('is waited for by whoever asks for an epoch that never was, and seen by whoever reads after that', async () => {
    const host = newSeat('host');
    const session = newSession({ seats: [host] });
    await database.store.commit(creation(session));
    await other.query('begin');
    await other.query('select commit_batch($1::json)', [commitBatchJson(messagesOnly(newMessage(session, host, 1)))]);
    expect(await database.store.loadSession(session.id, 0)).toMatchObject({ lastSeq: 0 });
    const epoch = database.store.raiseEpoch(session.id, 0);
    await eventually(async () => {
      const { rows } = await database.client.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(rows).not.toEqual([]);
    });
    await other.query('commit');
    expect(await epoch).toBe(session.epoch);
    expect(await database.store.loadSession(session.id, 0)).toMatchObject({
      lastSeq: 1,
      document: { epoch: session.epoch },
    });
  });
});
