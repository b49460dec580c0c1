import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { creation, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import { keepUp } from './upkeep.ts';

const OLD = Date.UTC(2001, 0, 1);
const MESSAGES = 1000;
const BODY = JSON.stringify('x'.repeat(500));

describe('the upkeep of the embedded database', () => {
  let database: SqlDatabase;

  beforeAll(async () => {
    database = await openSqlDatabase('embedded Postgres');
  });
  afterAll(() => database.close());

  async function bytesOf(table: string): Promise<number> {
    const { rows } = await database.client.query<{ bytes: number }>(
      'select pg_table_size($1::regclass)::int as bytes',
      [table],
    );
    return rows[0]?.bytes ?? 0;
  }

  /** A closed session whose messages come and go. */
  async function generation(): Promise<void> {
    const host = newSeat('host');
    const session = newSession({
      createdAt: OLD,
      seats: [host],
      code: null,
      closed: { reason: 'closed', at: OLD + 1 },
    });
    const messages = Array.from({ length: MESSAGES }, (_, index) => {
      return newMessage(session, host, index + 1, { sentAt: OLD, bodyJson: BODY });
    });
    await database.store.commit({ ...creation(session), messages });
    const request = { olderThan: OLD + 2, keepNewest: 1, now: 0, atMost: MESSAGES };
    for (let more = true; more;) more = (await database.store.expire(request))?.more === true;
  }

  it('gives the room of what was removed to what comes', async () => {
    await generation();
    await keepUp(database.connection);
    const once = await bytesOf('messages');
    expect(once).toBeGreaterThan(MESSAGES * 500);
    for (let count = 0; count < 4; count += 1) {
      await generation();
      await keepUp(database.connection);
    }
    expect(await bytesOf('messages')).toBeLessThan(1.5 * once);
  });

  it('gathers what the planner goes by, once', async () => {
    const host = newSeat('host');
    const session = newSession({ seats: [host] });
    const messages = Array.from({ length: 500 }, (_, index) => newMessage(session, host, index + 1));
    await database.store.commit({ ...creation(session), messages });
    expect(await keepUp(database.connection)).toContain('messages');
    const { rows } = await database.client.query<{ rows: number }>(
      "select reltuples::int as rows from pg_class where relname = 'messages'",
    );
    expect(rows).toEqual([{ rows: 500 }]);
    expect(await keepUp(database.connection)).toEqual([]);
  });

  it('is not waited for by commits: they read no table from end to end, whatever it was when they were planned', async () => {
    const wholeReads = async (): Promise<number> => {
      await database.client.query('select pg_stat_force_next_flush()');
      const { rows } = await database.client.query<{ reads: number }>(
        'select sum(seq_scan)::int as reads from pg_stat_user_tables where relname = any($1)',
        [['sessions', 'participants', 'messages']],
      );
      return rows[0]?.reads ?? Number.NaN;
    };
    const before = await wholeReads();
    for (let each = 0; each < 20; each += 1) {
      const host = newSeat('host');
      const session = newSession({ seats: [host] });
      const messages = Array.from({ length: 20 }, (_, index) => newMessage(session, host, index + 1));
      const batch = { ...creation(session), messages };
      await database.store.commit(batch);
      // Its answer was lost: what is stored is compared with what comes.
      await database.store.commit(batch);
    }
    expect(await wholeReads()).toBe(before);
  });
});
