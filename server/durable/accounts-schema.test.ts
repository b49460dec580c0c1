/** What the SQL functions of accounts, revocations and mails promise; who calls them comes above. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openSqlDatabase, SQL_DATABASES, type SqlDatabase } from '../../test/support/sql-database.ts';

const NOW = 1_800_000_000_000;
const DAY = 24 * 3_600_000;

describe.each(SQL_DATABASES)('accounts and mails, %s', (kind) => {
  let database: SqlDatabase;
  const others: pg.Client[] = [];

  beforeAll(async () => {
    database = await openSqlDatabase(kind);
    for (let number = 0; number < 4; number += 1) {
      const client = new pg.Client(database.connection);
      await client.connect();
      others.push(client);
    }
  }, 60_000);
  afterAll(async () => {
    await Promise.all(others.map((client) => client.end()));
    await database.close();
  });

  async function call(text: string, values: readonly unknown[], client = database.client) {
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  }

  function login(userId: string, tokenHash: string, id: string = randomUUID()) {
    const expiry = { now: NOW, expires_at: NOW + 7 * DAY };
    return { id, user_id: userId, token_hash: tokenHash, ip: '192.0.2.1', user_agent: 'Firefox', ...expiry };
  }

  async function register(email = `${randomUUID()}@example.org`, client = database.client) {
    const [user, token] = [randomUUID(), randomUUID()];
    const first = login(user, token);
    const account = {
      id: user,
      email,
      email_key: email.toLowerCase(),
      name: null,
      password_hash: '$argon2id$1',
      now: NOW,
    };
    const rows = await call(
      'select register_user($1, $2) as made',
      [JSON.stringify(account), JSON.stringify(first)],
      client,
    );
    return { user, login: first.id, token, isMade: rows[0]?.['made'] };
  }

  async function refresh(tokenHash: string, nextHash: string, now: number, client = database.client) {
    const used = {
      ...{ token_hash: tokenHash, next_hash: nextHash, now, expires_at: now + 7 * DAY, ip: null, user_agent: null },
      revoked_until: now + DAY,
    };
    const [row] = await call('select * from refresh_login($1)', [JSON.stringify(used)], client);
    return row;
  }

  async function endings(userId: string) {
    return call('select id, end_reason from logins where user_id = $1 order by created_at, id', [userId]);
  }

  async function revoked(subject: string) {
    return call(
      'select kind, extract(epoch from not_before)::float8 * 1000 as since from revocations where subject = $1',
      [subject],
    );
  }

  it('gives an address to one of several who register it at the same time', async () => {
    const email = `${randomUUID()}@Example.org`;
    const made = await Promise.all(
      others.map((client, index) => register(index % 2 === 0 ? email : email.toLowerCase(), client)),
    );
    expect(made.map(({ isMade }) => isMade).sort()).toEqual([false, false, false, true]);
    const winner = made.find(({ isMade }) => isMade === true);
    expect(await call('select id from users where email_key = $1', [email.toLowerCase()])).toEqual([
      { id: winner?.user },
    ]);
    for (const { user } of made.filter((one) => one !== winner)) expect(await endings(user)).toEqual([]);
  });

  it('rotates a refresh token; the used one counts for another 10 s, and then ends the login', async () => {
    const { user, login: id, token } = await register();
    expect(await refresh(token, `${token} 2`, NOW + DAY)).toEqual({ outcome: 'rotated', login_id: id, user_id: user });
    // Another tab, at the same time.
    expect(await refresh(token, `${token} 3`, NOW + DAY + 9_999)).toMatchObject({ outcome: 'rotated' });
    // Both go on, each by itself.
    expect(await refresh(`${token} 2`, `${token} 4`, NOW + DAY + 60_000)).toMatchObject({ outcome: 'rotated' });
    expect(await refresh(`${token} 3`, `${token} 5`, NOW + DAY + 60_000)).toMatchObject({ outcome: 'rotated' });
    expect(await revoked(id)).toEqual([]);
    expect(await refresh(token, `${token} 6`, NOW + DAY + 10_000)).toEqual({
      ...{ outcome: 'reused', login_id: id, user_id: user },
    });
    expect(await endings(user)).toEqual([{ id, end_reason: 'reused' }]);
    expect(await revoked(id)).toEqual([{ kind: 'login', since: null }]);
    for (const last of [4, 5]) {
      expect(await refresh(`${token} ${last}`, randomUUID(), NOW + DAY + 60_001)).toMatchObject({ outcome: 'unknown' });
    }
  });

  it('knows no token that expired, that was never given, or that a lost rotation would have given', async () => {
    const { token } = await register();
    expect(await refresh(randomUUID(), randomUUID(), NOW)).toMatchObject({ outcome: 'unknown' });
    expect(await refresh(token, randomUUID(), NOW + 7 * DAY)).toMatchObject({ outcome: 'unknown' });
    expect(await refresh(token, randomUUID(), NOW + 7 * DAY - 1)).toMatchObject({ outcome: 'rotated' });
  });

  it('gives every one of several tabs a pair that refresh at the same time', async () => {
    const { token } = await register();
    const used = await Promise.all(others.map((client, tab) => refresh(token, `${token} ${tab}`, NOW + tab, client)));
    expect(used.map((row) => row?.['outcome'])).toEqual(['rotated', 'rotated', 'rotated', 'rotated']);
  });

  it('ends the other logins with a new password, if the old one is still the one that was checked', async () => {
    const { user, login: own } = await register();
    const [phone, tablet] = [login(user, randomUUID()), login(user, randomUUID())];
    for (const device of [phone, tablet]) await call('select begin_login($1)', [JSON.stringify(device)]);
    const change = (known: string) =>
      call('select change_password($1, $2, $3, $4, $5, $6) as ended', [
        user,
        known,
        '$argon2id$2',
        own,
        NOW,
        NOW + DAY,
      ]);
    expect(await change('$argon2id$0')).toEqual([{ ended: null }]);
    const [row] = await change('$argon2id$1');
    expect([...(row?.['ended'] as string[])].sort()).toEqual([phone.id, tablet.id].sort());
    expect(await change('$argon2id$1')).toEqual([{ ended: null }]);
    expect((await endings(user)).map((one) => one['end_reason']).sort()).toEqual(
      [null, 'password_changed', 'password_changed'].sort(),
    );
    expect(await revoked(own)).toEqual([]);
    expect(await revoked(phone.id)).toHaveLength(1);
  });

  it('ends one login, and all of a user, and nobody else’s', async () => {
    const [one, other] = [await register(), await register()];
    const phone = login(one.user, randomUUID());
    await call('select begin_login($1)', [JSON.stringify(phone)]);
    const end = (owner: string, chosen: readonly string[] | null) =>
      call('select end_logins($1, $2, null, $3, $4, $5) as id', [owner, chosen, 'logout', NOW, NOW + DAY]);
    expect(await end(one.user, [phone.id, other.login])).toEqual([{ id: phone.id }]);
    expect(await end(one.user, [phone.id])).toEqual([]);
    expect(await end(one.user, null)).toEqual([{ id: one.login }]);
    expect(await endings(other.user)).toEqual([{ id: other.login, end_reason: null }]);
  });

  it('removes an account with its logins, and revokes what a user of any issuer holds until then', async () => {
    const { user } = await register();
    await call('select delete_user($1, $2, $3)', [user, NOW, NOW + DAY]);
    expect(await call('select id from users where id = $1', [user])).toEqual([]);
    expect(await endings(user)).toEqual([]);
    expect(await revoked(user)).toEqual([{ kind: 'user', since: NOW }]);
    const foreign = `auth0|${randomUUID()}`;
    for (const at of [NOW + 5, NOW]) await call('select delete_user($1, $2, $3)', [foreign, at, at + DAY]);
    expect(await revoked(foreign)).toEqual([{ kind: 'user', since: NOW + 5 }]);
  });

  describe('changes of revocations', () => {
    const HOUR = 3_600_000;

    async function changes(since: number | null, most = 1000) {
      const [row] = await call('select changed_revocations($1, $2) as changes', [since, most]);
      const { revocations, asOf, more } = row?.['changes'] as {
        revocations: { subject: string }[];
        asOf: number;
        more: boolean;
      };
      return { subjects: revocations.map(({ subject }) => subject), asOf, more };
    }

    const revoke = (subject: string, notBefore: number, client = database.client, expiresAt = NOW + DAY) =>
      call(
        'select revoke_tokens($1)',
        [JSON.stringify([{ kind: 'user', subject, not_before: notBefore, expires_at: expiresAt }])],
        client,
      );

    /** As if all that is stored had been stored an hour ago. */
    const age = () => call(`update revocations set changed_at = now() - interval '1 hour'`, []);

    it('are new ones and those that grew, in either way', async () => {
      const [later, longer, same] = [randomUUID(), randomUUID(), randomUUID()];
      for (const subject of [later, longer, same]) await revoke(subject, NOW);
      await age();
      const before = Date.now() - HOUR / 2;
      expect((await changes(before)).subjects).toEqual([]);
      await revoke(later, NOW + 1);
      await revoke(longer, NOW, database.client, NOW + DAY + 1);
      await revoke(same, NOW - 1);
      expect((await changes(before)).subjects).toEqual([later, longer]);
      const { asOf } = await changes(null);
      // For a clock that is set back.
      expect(asOf).toBeGreaterThan(Date.now() - 60_000);
      expect((await changes(asOf)).subjects).toEqual([later, longer]);
    });

    it('come in parts, and nothing of one moment is parted', async () => {
      await age();
      const before = Date.now() - HOUR / 2;
      const subjects = Array.from({ length: 7 }, () => randomUUID());
      for (const subject of subjects) await revoke(subject, NOW);
      await call('update revocations set changed_at = $1 where subject = any ($2)', [new Date(), subjects.slice(1, 4)]);
      await call(`update revocations set changed_at = now() + interval '1 s' where subject = any ($1)`, [
        subjects.slice(4),
      ]);
      const first = await changes(before, 2);
      expect(first.more).toBe(true);
      expect(first.subjects.toSorted()).toEqual(subjects.slice(0, 4).toSorted());
      // These are ahead of the clock, as of a writer who is not done: all that is left comes at once.
      const second = await changes(first.asOf, 2);
      expect([second.subjects.toSorted(), second.more]).toEqual([subjects.slice(4).toSorted(), false]);
      await age();
    });

    // Behind the embedded database there is one session: what began before others were asked has ended.
    if (kind === 'Postgres server') {
      it('are not missed when they were begun before a look and end after it, however long that takes', async () => {
        const [writer] = others;
        if (writer === undefined) throw new Error('There are four');
        await age();
        const began = Math.floor(Date.now() / 1000) * 1000;
        const [slow, ...quick] = Array.from({ length: 6 }, () => randomUUID());
        if (slow === undefined) throw new Error('There are six');
        await writer.query('begin');
        try {
          await revoke(slow, NOW, writer);
          // What the writer holds says when it began.
          const held = `select (min(objid::bigint) + 1767225600) * 1000 as began from pg_locks
            where locktype = 'advisory' and classid = 263102197`;
          expect(Number((await call(held, []))[0]?.['began'])).toBeGreaterThanOrEqual(began);
          // As if that had been half an hour ago.
          const then = Math.floor(began / 1000) - HOUR / 2000;
          await writer.query('select pg_advisory_xact_lock_shared(263102197, $1)', [then - 1_767_225_600]);
          await writer.query('update revocations set changed_at = to_timestamp($1) where subject = $2', [then, slow]);
          for (const subject of quick) await revoke(subject, NOW);
          // Nobody knows what comes before them: they are not counted off.
          const look = await changes((then - 60) * 1000, 2);
          expect([look.subjects.toSorted(), look.more]).toEqual([quick.toSorted(), false]);
          expect((await changes(look.asOf)).subjects).not.toContain(slow);
          await writer.query('commit');
          expect((await changes(look.asOf)).subjects).toContain(slow);
        } finally {
          // Without effect after the commit.
          await writer.query('rollback');
        }
        expect((await changes(null)).asOf).toBeGreaterThan(began - 60_000);
      });
    }
  });

  it('hands a mail out once, again when its attempt did not end in time, and not after it was settled', async () => {
    const mails = [randomUUID(), randomUUID(), randomUUID()];
    for (const [index, id] of mails.entries()) {
      await call(
        `insert into mail_queue (id, session_id, sender, recipient, content, due_at, created_at)
        values ($1, $1, 'user-1', 'ada@example.org', '{}', to_timestamp($2 / 1000.0), now())`,
        [id, NOW + index],
      );
    }
    const take = async (moment: number, client = database.client) =>
      (await call('select id, attempts from take_mails($1, 60000, 2)', [moment], client)).map(({ id, attempts }) => ({
        id,
        attempts,
      }));
    const taken = (await Promise.all(others.map((client) => take(NOW + 10, client)))).flat();
    expect(taken.map(({ id }) => id).sort()).toEqual([...mails].sort());
    expect(await take(NOW + 60_009)).toEqual([]);
    const [first, second, third] = mails;
    const settle = (...given: unknown[]) => call('select settle_mails($1, $2)', [JSON.stringify(given), NOW + 20]);
    await settle(
      { id: first, attempts: 1, status: 'sent' },
      { id: second, attempts: 1, status: 'waiting', due_at: NOW + 90_000, error: '451 later' },
    );
    expect(await take(NOW + 60_010)).toEqual([{ id: third, attempts: 2 }]);
    // The end of its first attempt, which counted as failed, and of its second.
    await settle({ id: third, attempts: 1, status: 'dead', error: '550 no' });
    expect(await call('select status from mail_queue where id = $1', [third])).toEqual([{ status: 'waiting' }]);
    await settle({ id: third, attempts: 2, status: 'dead', error: '550 no' });
    expect(await take(NOW + DAY)).toEqual([{ id: second, attempts: 2 }]);
    const stored = await call('select status, recipient, content from mail_queue where id = any ($1)', [mails]);
    expect(stored.map(({ status }) => status).sort()).toEqual(['dead', 'sent', 'waiting']);
    // What is settled says to whom and what no more, however it ended; and can't be made to.
    for (const status of ['sent', 'dead']) expect(stored).toContainEqual({ status, recipient: null, content: null });
    await expect(call(`update mail_queue set recipient = 'ada@example.org' where status = 'dead'`, [])).rejects.toThrow(
      /mail_queue_emptied/,
    );
  });

  it.each(['ada@example.org,bob@example.org', 'Ada <ada@example.org>', 'ada@example.org\nBcc: x@y.z', 'a@b@c', 'ada'])(
    'takes one address for a mail, and not %j',
    async (recipient) => {
      await expect(
        call(
          `insert into mail_queue (id, session_id, sender, recipient, due_at, created_at)
          values ($1, $1, 'user-1', $2, now(), now())`,
          [randomUUID(), recipient],
        ),
      ).rejects.toThrow(/mail_queue_recipient_check/);
    },
  );

  it('forgets what has expired', async () => {
    const { user, token } = await register();
    await refresh(token, randomUUID(), NOW + 1000);
    await call('select delete_user($1, $2, $3)', ['somebody', NOW, NOW + DAY]);
    const request = { olderThan: 0, keepNewest: 500, atMost: 1000 };
    await database.store.expire({ ...request, now: NOW + DAY });
    expect(await revoked('somebody')).toEqual([]);
    expect(await endings(user)).toHaveLength(1);
    await database.store.expire({ ...request, now: NOW + 7 * DAY });
    expect(await call('select token_hash from refresh_tokens where token_hash = $1', [token])).toEqual([]);
    expect(await endings(user)).toHaveLength(1);
    await database.store.expire({ ...request, now: NOW + 8 * DAY });
    expect(await endings(user)).toEqual([]);
  });
});
