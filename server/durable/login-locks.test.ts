/** Whoever ends or refreshes logins beside a deletion of their user waits for it, and never in a circle. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';

const USERS = 200;
const LOGINS = 12;
const NOW = 1_800_000_000_000;
const DAY = 24 * 3_600_000;

/** Logins lie on disk against the order of their ids: what is found by the user comes in another order than by id. */
const FILL = `
  with made as (
    insert into users (id, email, email_key, password_hash, created_at, password_changed_at)
    select gen_random_uuid(), n || '@example.org', n || '@example.org', '$argon2id$1', now(), now()
    from generate_series(1, ${USERS}) n returning id
  ), devices as (
    insert into logins (id, user_id, created_at, last_used_at, expires_at)
    select id, user_id, moment, moment, to_timestamp(${(NOW + 7 * DAY) / 1000})
    from (
      select gen_random_uuid() as id, made.id as user_id, to_timestamp(${NOW / 1000 - 60}) as moment
      from made, generate_series(1, ${LOGINS})
    ) given order by id desc
    returning id, user_id
  ), tokens as (
    insert into refresh_tokens (token_hash, login_id, created_at, expires_at, replaced_at)
    select id::text, id, now(), to_timestamp(${(NOW + 7 * DAY) / 1000}), null from devices returning login_id
  )
  select user_id as "userId", array_agg(id::text order by id) as logins from devices group by user_id`;

interface Owner {
  readonly userId: string;
  readonly logins: readonly string[];
}

describe('logins of a user who is deleted', () => {
  let database: SqlDatabase;
  const clients: pg.Client[] = [];

  beforeAll(async () => {
    database = await openSqlDatabase('Postgres server');
    for (let count = 0; count < 3; count += 1) {
      const client = new pg.Client(database.connection);
      await client.connect();
      clients.push(client);
    }
  }, 60_000);
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await database.close();
  });

  it(`end, and are refreshed, at the same moment, ${USERS} times without a deadlock`, async () => {
    const { rows: owners } = await database.client.query<Owner>(FILL);
    const [ending, deleting, refreshing] = clients;
    if (ending === undefined || deleting === undefined || refreshing === undefined) throw new Error('three clients');
    const faults: unknown[] = [];
    let endedCount = 0;
    for (const [index, { userId, logins }] of owners.entries()) {
      const used = { next_hash: randomUUID(), now: NOW, expires_at: NOW + 7 * DAY, revoked_until: NOW + DAY };
      const end = () =>
        ending.query('select end_logins($1, null, null, $2, $3, $4)', [userId, 'logout_all', NOW, NOW + DAY]);
      const drop = () => deleting.query('select delete_user($1, $2, $3)', [userId, NOW, NOW + DAY]);
      // Each of them is the first at times.
      const begun = index % 2 === 0 ? [end(), drop()] : [drop(), end()];
      begun.push(
        refreshing.query('select refresh_login($1)', [JSON.stringify({ ...used, token_hash: logins.at(-1) })]),
      );
      for (const call of await Promise.allSettled(begun)) {
        if (call.status === 'rejected') faults.push(call.reason);
        else if (call.value.fields[0]?.name === 'end_logins') endedCount += call.value.rowCount ?? 0;
      }
    }
    expect(faults).toEqual([]);
    // They met: logins of some ended, of others they were gone already.
    expect(endedCount).toBeGreaterThan(0);
    expect(endedCount).toBeLessThan(USERS * LOGINS);
    const { rows } = await database.client.query('select count(*)::int as left from logins');
    expect(rows).toEqual([{ left: 0 }]);
  }, 60_000);
});
