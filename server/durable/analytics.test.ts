import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import type { CommitBatch, DailyAnalytics } from '../sessions/ports.ts';
import type { SessionDocument } from '../sessions/session.ts';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { openSqlDatabase, SQL_DATABASES, type SqlDatabase } from '../../test/support/sql-database.ts';
import { NOTHING, entry, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';

const HOUR = 3_600_000;
const FIRST_DAY = Date.UTC(2031, 0, 30);
const REASONS = ['closed', 'idle', 'expired', 'empty'] as const;

/** From the tables alone, with other means than the triggers. */
const RECOMPUTED = `
  select to_char(day, 'YYYY-MM-DD') as day,
    (select count(*) from sessions s where (s.created_at at time zone 'UTC')::date = day)::int as sessions,
    (select count(*) from pairs where (paired_at at time zone 'UTC')::date = day)::int as pairings,
    (select coalesce(sum(greatest(0, extract(epoch from paired_at - created_at) * 1000)), 0) from pairs
      where (paired_at at time zone 'UTC')::date = day)::float8 as "timeToPairMs",
    (select count(*) from messages m where (m.sent_at at time zone 'UTC')::date = day)::int as messages,
    json_build_object(
      'closed', (select count(*) from ended where reason = 'closed' and ended_on = day),
      'idle', (select count(*) from ended where reason = 'idle' and ended_on = day),
      'expired', (select count(*) from ended where reason = 'expired' and ended_on = day),
      'empty', (select count(*) from ended where reason = 'empty' and ended_on = day)
    ) as closed,
    (select coalesce(sum(greatest(0, duration)), 0) from ended where ended_on = day)::float8 as "durationMs"
  from (select generate_series(date '2031-01-29', date '2031-03-31', interval '1 day')::date as day) days`;

const VIEWS = `
  with pairs as (
    select s.created_at, (
      select p.joined_at from participants p where p.session_id = s.id order by p.seat_number offset 1 limit 1
    ) as paired_at
    from sessions s
  ), ended as (
    select closed_reason as reason, (closed_at at time zone 'UTC')::date as ended_on,
      extract(epoch from closed_at - created_at) * 1000 as duration
    from sessions where closed_at is not null
  )`;

describe.each(SQL_DATABASES)('daily analytics, %s', (kind) => {
  let database: SqlDatabase;

  beforeAll(async () => {
    database = await openSqlDatabase(kind);
  }, 60_000);
  afterAll(() => database.close());

  it('are what a count of the tables gives, after random histories that many store at once, late and again', async () => {
    const seed = seedOfRun();
    const random = new Random(seed);
    const histories = Array.from({ length: 60 }, () => historyOf(random));
    // No more at once than there are connections: who waits for one has a deadline.
    const left = [...histories];
    const writer = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        for (const batch of [...next.views, ...next.messages]) await database.store.commit(batch);
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
    const { rows } = await database.client.query<DailyAnalytics>(`${VIEWS} ${RECOMPUTED} order by days.day`);
    const something = rows.filter(({ day: _day, closed, ...sums }) => {
      return Object.values(sums).some((sum) => sum > 0) || Object.values(closed).some((sum) => sum > 0);
    });
    expect(something.length).toBeGreaterThan(3);
    expect([seed, await database.store.analytics('2031-01-01', '2031-12-31')]).toEqual([seed, something]);
  });

  it('take back what a later view of a close contradicts', async () => {
    const at = Date.UTC(2033, 5, 1);
    const created = newSession({ createdAt: at });
    const closes = [
      { reason: 'idle', at: at + 5000 },
      { reason: 'closed', at: at + 24 * HOUR },
    ] as const;
    for (const [index, closed] of closes.entries()) {
      const document = { ...created, closed };
      await database.store.commit({
        ...NOTHING,
        sessions: [{ ...entry(document, created.seats), version: index + 1 }],
      });
    }
    const none = { closed: 0, idle: 0, expired: 0, empty: 0 };
    const days = await database.store.analytics('2033-06-01', '2033-06-02');
    expect(days).toMatchObject([
      { closed: none, durationMs: 0 },
      { closed: { ...none, closed: 1 }, durationMs: 24 * HOUR },
    ]);
  });
});

/** Views of a session in some order, some twice, and its messages in their order, some twice. */
function historyOf(random: Random): { views: CommitBatch[]; messages: CommitBatch[] } {
  let at = FIRST_DAY + random.below(48) * HOUR + random.below(HOUR);
  const pass = (limit: number) => (at += random.below(limit));
  const host = newSeat('host', { joinedAt: at });
  let session: SessionDocument = newSession({ id: v7(), createdAt: at, seats: [host], capacity: 50 });
  let version = 1;
  const views: CommitBatch[] = [{ ...NOTHING, sessions: [{ ...entry(session, [host], at), version }] }];
  const messages: CommitBatch[] = [];
  let seq = 0;
  const see = (ended: CommitBatch['ended'] = []) => {
    version += 1;
    views.push({ ...NOTHING, sessions: [{ ...entry(session, session.seats, at), version }], ended });
  };
  for (let step = random.below(12); step > 0; step -= 1) {
    pass(10 * HOUR);
    const guest = session.seats[1];
    switch (random.below(4)) {
      case 0: {
        const seat = newSeat('guest', { joinedAt: at });
        session = { ...session, everPaired: true, seats: [...session.seats, seat] };
        see();
        break;
      }
      case 1:
        if (guest === undefined) break;
        session = { ...session, seats: session.seats.filter((seat) => seat !== guest) };
        see([{ sessionId: session.id, seat: guest, reason: 'left', at }]);
        break;
      default: {
        const sent = Array.from({ length: 1 + random.below(5) }, () => {
          seq += 1;
          return newMessage(session, host, seq, { sentAt: pass(5 * HOUR) });
        });
        const batch = { ...NOTHING, messages: sent };
        messages.push(batch, ...(random.below(3) === 0 ? [batch] : []));
      }
    }
  }
  if (random.below(3) > 0) {
    session = { ...session, closed: { reason: random.pick(REASONS), at: pass(10 * HOUR) } };
    see();
  }
  // The first stays the first: the order of seats is that in which they are stored.
  const [first, ...others] = views;
  const late = others.filter(() => random.below(4) === 0);
  return { views: [...(first === undefined ? [] : [first]), ...others, ...late], messages };
}
