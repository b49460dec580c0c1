import { expect, it } from '@jest/globals';
import pg from 'pg';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { creation, newSession } from '../../test/support/stored-session.ts';
import { openTestDatabases } from '../../test/support/test-databases.ts';
import { migrate } from './migrate.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { createPool } from './pool.ts';
import { connectPostgres } from './postgres.ts';
import { createSqlStore } from './sql-store.ts';

/** Of those that a session brings about by itself, and how far above it the next look may be: by chance, 1 in 10^9. */
const MOST = 1000;
const BETWEEN_LOOKS = 2600;

it('the events of a session have a bound, and its beginning and end stay', async () => {
  const databases = await openTestDatabases();
  const { migrating } = connectPostgres(externalPostgres(await databases.createDatabase()));
  await migrate(migrating, MIGRATIONS_DIRECTORY, '999.0.0');
  const client = new pg.Client(migrating);
  await client.connect();
  const storing = createPool(migrating, { max: 1 });
  const [session, other] = [newSession(), newSession()];
  await createSqlStore(storing).commit(creation(session, other));
  // Locked and unlocked as if by fifty commands a second, for a minute and a half.
  await client.query(`do $$
    begin
      for n in 1..${MOST + BETWEEN_LOOKS + 900} loop
        update sessions set locked = not locked, last_activity_at = last_activity_at + interval '1 second'
        where id = '${session.id}';
      end loop;
    end
  $$`);
  const closed = await client.query(
    "update sessions set closed_at = last_activity_at, closed_reason = 'closed' where id = $1 returning closed_at",
    [session.id],
  );
  const { rows } = await client.query<{ id: string; kind: string; count: number; first: Date; last: Date }>(
    'select session_id as id, kind, count(*)::int, min(at) as first, max(at) as last from session_events group by 1, 2',
  );
  const of = (id: string) => rows.filter((row) => row.id === id).sort((a, b) => (a.kind < b.kind ? -1 : 1));
  expect(of(session.id).map(({ kind, count }) => [kind, kind.endsWith('locked') ? 0 : count])).toEqual([
    ['closed', 1],
    ['created', 1],
    ['locked', 0],
    ['unlocked', 0],
  ]);
  const changes = of(session.id).filter(({ kind }) => kind.endsWith('locked'));
  const count = changes.reduce((sum, row) => sum + row.count, 0);
  expect(count).toBeGreaterThanOrEqual(MOST);
  expect(count).toBeLessThan(MOST + BETWEEN_LOOKS);
  // The newest are there.
  const [{ closed_at: end }] = closed.rows as [{ closed_at: Date }];
  expect(Math.max(...changes.map(({ last }) => last.getTime()))).toBe(end.getTime());
  expect(of(other.id).map(({ kind }) => kind)).toEqual(['created', 'joined']);
  await storing.end();
  await client.end();
  await databases.stop();
}, 60_000);
