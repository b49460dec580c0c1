/** The statements of the store on large tables: which index each takes, and how many rows it reads for it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openSqlDatabase, SQL_DATABASES, type SqlDatabase } from '../../test/support/sql-database.ts';
import type { SessionStatus } from '../../protocol/session.ts';
import type { AccountStore } from '../auth/ports.ts';
import type { DurableStore } from '../sessions/ports.ts';
import { createSqlAccounts } from './sql-store.ts';

const SESSIONS = 100_000;
const USERS = 20_000;
const LIMIT = 20;
const NOW = 1_800_000_000_000;
const MIDDLE = id(SESSIONS / 2);
/** So young are twenty messages of the session in the middle. */
const RECENT = (1_700_000_100 + SESSIONS / 2 + 4981) * 1000;
const PAGE = { cursor: null, limit: LIMIT };

/**
 * Ids in the order of their creation. Of a hundred sessions one is waiting, one paired, the others closed; a user has
 * twenty of them, one in ten has messages, and the one in the middle has thousands of messages and events.
 */
const FILL = [
  'set session_replication_role = replica',
  ...inParts(
    (
      from,
      to,
    ) => `insert into sessions (id, epoch, created_at, capacity, locked, approval, share_history, metadata, code,
    code_expires_at, ever_paired, closed_reason, closed_at, last_activity_at, last_seq, seat_count)
  select lpad(to_hex(n), 32, '0')::uuid, 1, to_timestamp(1700000000 + n), 2, false, false, false, '{}',
    'B' || n, to_timestamp(1800000000 + n), true, case when n % 100 > 1 then 'closed' end,
    case when n % 100 > 1 then to_timestamp(1700000900 + n) end, to_timestamp(1700000500 + n), 1,
    case n % 100 when 0 then 1 else 2 end
  from generate_series(${from}, ${to}) n`,
  ),
  ...inParts(
    (
      from,
      to,
    ) => `insert into participants (id, session_id, role, name, user_id, token_hash, key_hash, key_at, joined_at, joined_seq)
  select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'host',
    case when n % 1000 = 7 then 'Rare ' else 'Guest ' end || n, 'user-' || n % 5000, 'hash',
    'key-' || n, to_timestamp(1700000000 + n), to_timestamp(1700000000 + n), 0
  from generate_series(${from}, ${to}) n`,
  ),
  ...inParts(
    (from, to) => `insert into messages (session_id, seq, id, participant_id, type, body, sent_at)
  select lpad(to_hex(n), 32, '0')::uuid, seq, 'message-' || seq, lpad(to_hex(n), 32, '0')::uuid, 'text', '"hello"',
    to_timestamp(1700000100 + n + seq)
  from generate_series(${from + 9}, ${to}, 10) n, generate_series(1, 10) seq`,
  ),
  `insert into messages (session_id, seq, id, participant_id, type, body, sent_at)
  select '${MIDDLE}', seq, 'message-' || seq, '${MIDDLE}', 'text', '"hello"', to_timestamp(1700000100 + ${SESSIONS / 2} + seq)
  from generate_series(11, 5000) seq`,
  `insert into session_events (session_id, at, kind)
  select lpad(to_hex(n), 32, '0')::uuid, to_timestamp(1700000000 + n), 'created' from generate_series(1, ${SESSIONS}) n`,
  `insert into session_events (session_id, at, kind)
  select '${MIDDLE}', to_timestamp(1700100000 + n), 'locked' from generate_series(1, 5000) n`,
  `insert into daily_analytics (day, slot, sessions)
  select date '2000-01-01' + n / 4, n % 4, 1 from generate_series(0, 39999) n`,
  `insert into users (id, email, email_key, password_hash, created_at, password_changed_at)
  select lpad(to_hex(n), 32, '0')::uuid, n || '@example.org', n || '@example.org', '$argon2id$1',
    to_timestamp(1700000000 + n), to_timestamp(1700000000 + n)
  from generate_series(1, ${USERS}) n`,
  // The user in the middle has hundreds of devices.
  `insert into logins (id, user_id, created_at, last_used_at, expires_at)
  select gen_random_uuid(), lpad(to_hex(case when n % 50 = 0 then ${USERS / 2} else n end), 32, '0')::uuid,
    to_timestamp(1700000000 + n), to_timestamp(1700000000 + n), to_timestamp(1900000000 + n)
  from generate_series(1, ${USERS}) n`,
  `insert into refresh_tokens (token_hash, login_id, created_at, expires_at)
  select 'token-' || row_number() over (), id, created_at, expires_at from logins`,
  `insert into revocations (kind, subject, expires_at, changed_at)
  select 'login', 'login-' || n, to_timestamp(1900000000 + n), to_timestamp(1700000000 + n)
  from generate_series(1, ${USERS}) n`,
  'set session_replication_role = origin',
  ...['users', 'logins', 'refresh_tokens', 'revocations'].map((table) => `analyze ${table}`),
  ...['sessions', 'participants', 'messages', 'session_events', 'daily_analytics'].map((table) => `analyze ${table}`),
];

/** An embedded database that does not answer for ten seconds is taken for dead, and a busy machine is slow. */
function inParts(statement: (from: number, to: number) => string): string[] {
  const size = SESSIONS / 10;
  return Array.from({ length: 10 }, (_, part) => statement(part * size + 1, (part + 1) * size));
}

function id(number: number): string {
  const hex = number.toString(16).padStart(32, '0');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Of the token of a login; pg makes JSON of it. */
const REFRESH = {
  ...{ token_hash: 'token-17', next_hash: 'next', now: NOW, expires_at: NOW, ip: null, user_agent: null },
  revoked_until: NOW,
};

interface Plan {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly Plan[];
}

/** The question, the index that answers it, and the rows that it may read. */
const QUESTIONS: [string, string, number, (store: DurableStore, accounts: AccountStore) => Promise<unknown>][] = [
  ['sessions', 'sessions_pkey', 2 * LIMIT + 2, (store) => store.listSessions(null, PAGE, NOW)],
  ['waiting sessions', 'sessions_waiting', 2 * LIMIT + 2, (store) => store.listSessions('waiting', PAGE, NOW)],
  ['paired sessions', 'sessions_paired', 2 * LIMIT + 2, (store) => store.listSessions('paired', PAGE, NOW)],
  ['closed sessions', 'sessions_closed', 2 * LIMIT + 2, (store) => store.listSessions('closed', PAGE, NOW)],
  [
    'a later page of sessions',
    'sessions_closed',
    2 * LIMIT + 2,
    async (store) => {
      let cursor: string | null = null;
      for (let page = 0; page < 5; page += 1) {
        cursor = (await store.listSessions('closed', { cursor, limit: LIMIT }, NOW)).nextCursor;
      }
    },
  ],
  ['sessions of a user', 'participants_user', 60, (store) => store.sessionsOfUser('user-17', PAGE, NOW)],
  [
    'the seats of a user in a session',
    'participants_user',
    2,
    (store) => store.seatsOfUser(MIDDLE, `user-${(SESSIONS / 2) % 5000}`),
  ],
  ['a user by the address', 'users_email', 1, (_store, accounts) => accounts.findByEmail(`${USERS / 2}@example.org`)],
  ['a user', 'users_pkey', 1, (_store, accounts) => accounts.findUser(id(USERS / 2))],
  ['devices of a user', 'logins_user', LIMIT + 1, (_store, accounts) => accounts.logins(id(USERS / 2), NOW, LIMIT)],
  ['events of a session', 'session_events_session', LIMIT + 1, (store) => store.sessionEvents(MIDDLE, PAGE)],
  [
    'messages after a seq',
    'messages_pkey',
    LIMIT,
    (store) => store.readMessages(MIDDLE, { afterSeq: 2500, limit: LIMIT }),
  ],
  [
    'messages before a seq',
    'messages_pkey',
    LIMIT,
    (store) => store.readMessages(MIDDLE, { beforeSeq: 2500, limit: LIMIT }),
  ],
  ['a repeated send', 'messages_sender', 1, (store) => store.findSend(MIDDLE, MIDDLE, 'message-2500')],
  ['the recent sends', 'messages_recent', 20, (store) => store.recentSends(MIDDLE, RECENT, 5000)],
  ['a session', 'sessions_pkey', 2, (store) => store.loadSession(MIDDLE, NOW)],
  ['a session by its code', 'sessions_code', 1, (store) => store.findByCode('B50000', NOW)],
  ['the first open sessions that wait', 'sessions_waiting', 3 * LIMIT, (store) => store.openHeads(null, LIMIT)],
  ['the next open sessions that are paired', 'sessions_paired', 3 * LIMIT, (store) => store.openHeads(MIDDLE, LIMIT)],
  ['a session by a key', 'participants_key', 2, (store) => store.findByKey(`key-${SESSIONS / 2}`)],
  ['a month of analytics', 'daily_analytics_pkey', 31 * 4, (store) => store.analytics('2020-01-01', '2020-01-31')],
];

describe.each(SQL_DATABASES)('on tables of 100,000 rows, %s', (kind) => {
  let database: SqlDatabase;

  beforeAll(async () => {
    database = await openSqlDatabase(kind);
    for (const statement of FILL) await database.client.query(statement);
  }, 120_000);
  afterAll(() => database.close());

  it.each(QUESTIONS)('%s: by %s, reading at most %i rows', async (_question, index, most, ask) => {
    const { text, values } = await statementOf(ask);
    // What a connection plans for its first calls, with the values at hand, and what it keeps for all later ones.
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      const nodes = nodesOf(await explain(text, values, mode));
      expect([mode, nodes.map((node) => node['Index Name'])]).toEqual([mode, expect.arrayContaining([index])]);
      expect([mode, nodes.map((node) => node['Node Type'])]).not.toEqual([mode, expect.arrayContaining(['Seq Scan'])]);
      expect(rowsRead(nodes)).toBeLessThanOrEqual(most);
      expect(rowsRead(nodes)).toBeGreaterThan(0);
    }
  });

  /** The last that is asked for it. */
  async function statementOf(
    ask: (typeof QUESTIONS)[number][3],
  ): Promise<{ text: string; values: readonly unknown[] }> {
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const accounts = createSqlAccounts({
      query: ({ text }, values) => {
        asked.push({ text, values });
        return Promise.resolve([]);
      },
      end: () => Promise.resolve(),
    });
    await ask(database.store, accounts);
    return asked.at(-1) ?? database.lastStatement();
  }

  async function explain(text: string, values: readonly unknown[], mode: string): Promise<Plan> {
    const { client } = database;
    const literals = values.map((value) => pg.escapeLiteral(String(value))).join(', ');
    await client.query(`set plan_cache_mode = ${mode}`);
    await client.query(`prepare asked as ${text}`);
    try {
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (analyze, format json) execute asked(${literals})`,
      );
      const [row] = rows;
      if (row === undefined) throw new Error('A statement has a plan');
      return row['QUERY PLAN'][0].Plan;
    } finally {
      await client.query('deallocate asked');
      await client.query('reset plan_cache_mode');
    }
  }

  it.each<[string, string, unknown[]]>([
    ['uses a refresh token', 'refresh_login($1)', [REFRESH]],
    ['uses one that is in two hands', 'refresh_login($1)', [{ ...REFRESH, now: NOW + 60_000 }]],
    ['ends a login', 'end_logins($1, null, null, $2, $3, $3)', [id(17), 'logout', NOW]],
    ['lets a user go', 'delete_user($1, $2, $2)', [id(18), NOW]],
    ['looks for new revocations', 'changed_revocations($1, 100)', [(1_700_000_000 + USERS - 10) * 1000]],
    ['looks for all revocations', 'changed_revocations(null, 10)', []],
  ])('%s without going through a table', async (_what, asked, values) => {
    const { client } = database;
    await client.query('begin');
    try {
      await client.query('select refresh_login($1)', [{ ...REFRESH, next_hash: 'first' }]);
      const before = await readOfAccounts();
      await client.query(`select ${asked}`, values);
      expect((await readOfAccounts()) - before).toBeLessThan(60);
    } finally {
      await client.query('rollback');
    }
  });

  it.each<[string, string, SessionStatus | null, number, number]>([
    ['the start of an id', MIDDLE.slice(0, 35), null, 16, 150],
    ['the start of every id', '0', null, LIMIT + 1, 4500],
    ['the start of every id, among those that wait', '0', 'waiting', LIMIT + 1, 4500],
    ['a rare name', 'rare', null, LIMIT + 1, 700],
    ['a rare name, among those that are paired', 'rare', 'paired', 0, 500],
    ['a name that most have', 'GUEST', null, LIMIT + 1, 4500],
    ['a name that most have, among those that wait', 'guest', 'waiting', LIMIT + 1, 4500],
    ['a name that nobody has', 'nobody', null, 0, 50],
  ])('finds sessions by %s', async (_what, search, status, expected, most) => {
    const { client } = database;
    await database.store.searchSessions(search, status, PAGE, NOW);
    const { text, values } = database.lastStatement();
    await client.query('begin');
    try {
      const before = await readOf(['sessions', 'participants']);
      const { rows } = await client.query(text, [...values]);
      expect(rows).toHaveLength(expected);
      expect((await readOf(['sessions', 'participants'])) - before).toBeLessThan(most);
    } finally {
      await client.query('rollback');
    }
  });

  /** Rows, by this transaction. */
  async function readOf(tables: readonly string[]): Promise<number> {
    const { rows } = await database.client.query<{ read: number }>(
      `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read
      from pg_stat_xact_user_tables
      where relname = any ($1)`,
      [tables],
    );
    return rows[0]?.read ?? 0;
  }

  function readOfAccounts(): Promise<number> {
    return readOf(['users', 'logins', 'refresh_tokens', 'revocations']);
  }

  it('expires rows without reading those that stay', async () => {
    const { client } = database;
    // The first fifty sessions were closed before, but for one that is open; some 900 were open at that time, and are
    // looked at in each round.
    const request = [1_700_000_950_000, 500, NOW, 10];
    await client.query('begin');
    let sessions = 0;
    for (let round = 0; round < 48; round += 1) {
      const { rows } = await client.query<{ expired: { sessions: number } }>(
        'select expire_rows($1, $2, $3, $4) as expired',
        request,
      );
      sessions += rows[0]?.expired.sessions ?? 0;
    }
    const { rows: read } = await client.query<{ table: string; through: number; found: number }>(
      `select relname as table, seq_tup_read::int as through, coalesce(idx_tup_fetch, 0)::int as found
      from pg_stat_xact_user_tables
      where relname in ('sessions', 'participants', 'messages', 'session_events')`,
    );
    await client.query('rollback');
    expect(sessions).toBe(48);
    expect(read).toHaveLength(4);
    for (const { table, through, found } of read) {
      expect([table, through]).toEqual([table, 0]);
      expect([table, found > 0, found < 48 * 1100]).toEqual([table, true, true]);
    }
  });
});

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** By scans, of tables and of indexes. */
function rowsRead(nodes: readonly Plan[]): number {
  return nodes
    .filter((node) => /Scan$/.test(node['Node Type']) && node['Index Name'] !== undefined)
    .reduce((sum, node) => {
      const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
      return sum + (node['Actual Rows'] + removed) * node['Actual Loops'];
    }, 0);
}
