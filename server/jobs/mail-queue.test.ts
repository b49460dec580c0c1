import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import type { Participant } from '../../protocol/session.ts';
import { eventually } from '../../test/support/eventually.ts';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { createPool, type Pool } from '../durable/pool.ts';
import { createSqlMailQueue } from '../durable/sql-store.ts';
import type { InvitingSession } from '../mail/joinable-code.ts';
import { createSmtpSender } from '../mail/smtp-sender.ts';
import type { MailQueue } from '../sessions/mail-queue.ts';
import { createMailQueue, delayOf, type MailQueueJob, type MailQueueOptions } from './mail-queue.ts';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const DEADLINE_MS = 15_000;
const CODE = 'BCD234';

const PARTICIPANT: Participant = {
  ...{ id: 'p', role: 'guest', name: null, userId: null, presence: 'online', state: 'active' },
  ...{ joinedAt: '', joinedSeq: 0, delivered: 0, read: 0 },
};

describe('the mail queue', () => {
  let database: SqlDatabase;
  let pool: Pool;
  let queue: MailQueue;
  let server: MailServer;
  let now: number;
  let outcomes: string[];
  let logged: Record<string, unknown>[];
  /** What sessions look like by now; those that are not named can be joined by the code of every test. */
  let sessions: Map<string, InvitingSession | Error | null>;
  let faults: unknown[];
  const jobs: MailQueueJob[] = [];

  beforeAll(async () => {
    database = await openSqlDatabase('embedded Postgres');
    pool = createPool(database.connection, { max: 4 });
    queue = createSqlMailQueue(pool);
  });
  afterAll(async () => {
    await pool.end();
    await database.close();
  });

  beforeEach(async () => {
    await database.client.query('delete from mail_queue');
    server = await startMailServer();
    [now, outcomes, logged, faults] = [START, [], [], []];
    sessions = new Map();
  });
  afterEach(async () => {
    for (const job of jobs.splice(0)) await job.stop();
    await server.stop();
  });

  function jobOf(more: Partial<MailQueueOptions> = {}): MailQueueJob {
    const sender = createSmtpSender({ url: server.url, from: 'no-reply@tandem.example' });
    const job = createMailQueue({
      queue,
      sender,
      look,
      now: () => now,
      random: () => 0.5,
      metrics: { email: (outcome) => outcomes.push(outcome) },
      logger: {
        info: (event, fields) => logged.push({ event, ...fields }),
        warn: (event, fields) => logged.push({ level: 'warn', event, ...fields }),
      },
      onError: (error) => faults.push(error),
      ...more,
    });
    jobs.push(job);
    job.start();
    return job;
  }

  /** The id of a mail is that of its session. */
  function look(sessionId: string): Promise<InvitingSession | null> {
    const given = sessions.get(sessionId);
    if (given instanceof Error) return Promise.reject(given);
    return Promise.resolve(given === undefined ? joinable(sessionId) : given);
  }
  function joinable(id: string, more: Partial<InvitingSession> = {}): InvitingSession {
    const codeExpiresAt = new Date(START + 15 * MINUTE).toISOString();
    return {
      ...{ id, code: CODE, codeExpiresAt, status: 'waiting', locked: false, capacity: 2, participants: [] },
      ...more,
    };
  }

  async function put(recipient: string, codeExpiresAt = START + 15 * MINUTE): Promise<string> {
    const id = uuidv7();
    const content = { code: CODE, codeExpiresAt, origin: 'https://tandem.example', note: 'until five' };
    await queue.enqueue({ ...{ id, sessionId: id, sender: 'u', recipient, content }, now: START, dueAt: START });
    return id;
  }

  interface Row {
    status: string;
    recipient: string | null;
    content: unknown;
    attempts: number;
    last_error: string | null;
    due_in: number;
  }
  async function row(id: string): Promise<Row> {
    const { rows } = await database.client.query<Row>(
      `select status, recipient, content, attempts, last_error, (extract(epoch from due_at) * 1000 - $2)::float8 as due_in
       from mail_queue where id = $1`,
      [id, now],
    );
    const [found] = rows;
    if (found === undefined) throw new Error(`no mail ${id}`);
    return found;
  }
  const becomes = (id: string, expected: Partial<Row>) =>
    eventually(async () => expect(await row(id)).toMatchObject(expected), DEADLINE_MS);
  const faultsAbove = (count: number) =>
    eventually(() => (faults.length > count ? Promise.resolve() : Promise.reject(new Error('no fault'))), DEADLINE_MS);
  const arrival = (to: string) => server.mails.next(`a mail to ${to}`, (mail) => mail.to.includes(to), DEADLINE_MS);

  it('brings what waits, once, and says so', async () => {
    const ids = [];
    for (let count = 0; count < 5; count += 1) ids.push(await put(`anna${count}@example.org`));
    const job = jobOf();
    for (const id of ids) await becomes(id, { status: 'sent', attempts: 1, last_error: null });
    expect(server.mails.all.flatMap(({ to }) => to).sort()).toEqual(ids.map((_id, n) => `anna${n}@example.org`));
    expect(outcomes).toEqual(ids.map(() => 'sent'));
    expect(logged).toHaveLength(5);
    expect(logged[0]).toEqual({
      ...{ event: 'email_sent', sessionId: expect.any(String), attempt: 1, durationMs: expect.any(Number) },
      // Masked by whoever writes it.
      recipient: expect.stringMatching(/^anna\d@example\.org$/),
    });
    expect(job.status()).toBe('ok');
    expect(faults).toEqual([]);
  });

  it('tries again later what the server does not take now', async () => {
    server.judge(() => ({ code: 451, message: 'greylisted, anna' }));
    const id = await put('anna@example.org');
    const job = jobOf();
    await becomes(id, { status: 'waiting', attempts: 1, last_error: 'RCPT TO 451', due_in: 5000 });
    // The server is there: what it defers is this one mail.
    expect(job.status()).toBe('ok');
    now += 5000;
    job.wake();
    await becomes(id, { status: 'waiting', attempts: 2, due_in: 10_000 });
    server.judge(() => null);
    now += 10_000;
    job.wake();
    await arrival('anna@example.org');
    await becomes(id, { status: 'sent', attempts: 3 });
    expect(outcomes).toEqual(['sent']);
  });

  it('gives up what the server refuses for good, whose code has expired, or would have by then', async () => {
    server.judge((recipient) => {
      if (recipient.startsWith('gone')) return { code: 550, message: '5.1.1 gone@example.org is not here' };
      return recipient.startsWith('late') ? { code: 451, message: 'later' } : null;
    });
    const gone = await put('gone@example.org');
    const expired = await put('old@example.org', START);
    const late = await put('late@example.org', START + 4000);
    jobOf();
    await becomes(gone, { status: 'dead', last_error: 'RCPT TO 550 5.1.1' });
    await becomes(expired, { status: 'dead', last_error: 'expired' });
    await becomes(late, { status: 'dead', last_error: 'expired: RCPT TO 451' });
    expect(server.mails.all).toEqual([]);
    expect(outcomes).toEqual(['failed', 'failed', 'failed']);
    const told = logged.map(({ level, event, recipient, reason }) => [level, event, recipient, reason]);
    expect(told.sort()).toEqual([
      ['warn', 'email_failed', 'gone@example.org', 'RCPT TO 550 5.1.1'],
      ['warn', 'email_failed', 'late@example.org', 'expired: RCPT TO 451'],
      ['warn', 'email_failed', 'old@example.org', 'expired'],
    ]);
    // Whom they would have gone to, and what they said, is kept no longer.
    for (const id of [gone, expired, late]) expect(await row(id)).toMatchObject({ recipient: null, content: null });
  });

  it('sends no invitation whose code leads nowhere by now', async () => {
    const participants = [PARTICIPANT, PARTICIPANT];
    const ends: [string, (id: string) => InvitingSession | null][] = [
      ['session_closed', (id) => joinable(id, { status: 'closed', code: null, codeExpiresAt: null })],
      ['session_full', (id) => joinable(id, { status: 'paired', code: null, codeExpiresAt: null, participants })],
      ['session_locked', (id) => joinable(id, { locked: true, code: null, codeExpiresAt: null })],
      ['code_dead', (id) => joinable(id, { code: null, codeExpiresAt: null })],
      // After a kick, or reopened.
      ['code_replaced', (id) => joinable(id, { code: 'XYZ789' })],
      ['no_such_session', () => null],
    ];
    const ids: string[] = [];
    for (const [reason, end] of ends) {
      const id = await put(`${reason}@example.org`);
      sessions.set(id, end(id));
      ids.push(id);
    }
    jobOf();
    for (const [index, [reason]] of ends.entries()) {
      await becomes(ids[index] ?? '', { status: 'withdrawn', last_error: reason, recipient: null, content: null });
    }
    expect(server.recipients.all).toEqual([]);
    expect(await queue.counts()).toEqual({ waiting: 0, dead: 0 });
    // Nobody has to act: it is no failure.
    expect(outcomes).toEqual([]);
    const told = logged.map(({ level, event, reason }) => [level, event, reason]);
    expect(told.sort()).toEqual(ends.map(([reason]) => [undefined, 'email_withdrawn', reason]).sort());
  });

  it('looks at the session before each attempt, and sends nothing while it can not', async () => {
    server.judge(() => ({ code: 451, message: 'greylisted' }));
    const [greylisted, unknown] = [await put('anna@example.org'), await put('bert@example.org')];
    sessions.set(unknown, new Error('away'));
    const job = jobOf();
    await becomes(greylisted, { status: 'waiting', attempts: 1, last_error: 'RCPT TO 451' });
    await becomes(unknown, { status: 'waiting', attempts: 1, last_error: 'session unknown' });
    expect(faults).toEqual([new Error('away')]);
    expect(server.recipients.all).toEqual(['anna@example.org']);
    server.judge(() => null);
    sessions.set(greylisted, joinable(greylisted, { status: 'closed', code: null, codeExpiresAt: null }));
    sessions.delete(unknown);
    now += 5000;
    job.wake();
    await becomes(greylisted, { status: 'withdrawn', attempts: 2 });
    await becomes(unknown, { status: 'sent', attempts: 2, recipient: null, content: null });
    expect(server.mails.all.map(({ to }) => to)).toEqual([['bert@example.org']]);
  });

  it('outlives a mail server that goes away', async () => {
    const { port } = server;
    await server.stop();
    const id = await put('anna@example.org');
    const job = jobOf();
    await becomes(id, { status: 'waiting', attempts: 1, last_error: 'CONN ESOCKET' });
    expect(job.status()).toBe('degraded');
    server = await startMailServer({ port });
    now += 5000;
    job.wake();
    await becomes(id, { status: 'sent', attempts: 2 });
    expect(job.status()).toBe('ok');
    expect(server.mails.all).toHaveLength(1);
  });

  it('sends what another instance died with, when its lease is over, under the same id', async () => {
    const id = await put('anna@example.org');
    // It took the mail, handed it over, and was killed before it could tell.
    await queue.take(now, 90_000, 1);
    const job = jobOf();
    await put('bert@example.org');
    await arrival('bert@example.org');
    expect(server.mails.all).toHaveLength(1);
    now += 90_000;
    job.wake();
    const { raw } = await arrival('anna@example.org');
    expect(raw).toContain(`Message-ID: <${id}@tandem.example>`);
    await becomes(id, { status: 'sent', attempts: 2 });
  });

  it('is shared by instances, and sends each mail once', async () => {
    const ids = [];
    for (let count = 0; count < 12; count += 1) ids.push(await put(`anna${count}@example.org`));
    jobOf();
    jobOf();
    for (const id of ids) await becomes(id, { status: 'sent', attempts: 1 });
    expect(server.mails.all).toHaveLength(12);
  });

  it('tells the database later what it could not tell at once, and sends nothing twice nor anything else before', async () => {
    let isAway = true;
    const settle: MailQueue['settle'] = (results, moment) =>
      isAway ? Promise.reject(new Error('away')) : queue.settle(results, moment);
    const id = await put('anna@example.org');
    const job = jobOf({ queue: { take: (...request) => queue.take(...request), settle } });
    await arrival('anna@example.org');
    await faultsAbove(0);
    const next = await put('bert@example.org');
    job.wake();
    await faultsAbove(faults.length);
    expect(server.mails.all).toHaveLength(1);
    isAway = false;
    job.wake();
    await becomes(id, { status: 'sent', attempts: 1 });
    await becomes(next, { status: 'sent', attempts: 1 });
    expect(server.mails.all).toHaveLength(2);
  });

  it('stops within seconds, whatever the mail server does', async () => {
    await server.stop();
    server = await startMailServer({ onConnect: () => undefined });
    const id = await put('anna@example.org');
    const sender = createSmtpSender({ url: server.url, from: 'no-reply@tandem.example' });
    const job = jobOf({ sender, stopMs: 300 });
    await becomes(id, { attempts: 1 });
    const startedAt = performance.now();
    await job.stop();
    await job.stop();
    expect(performance.now() - startedAt).toBeLessThan(4000);
    // Whether it was taken is not known: its lease decides.
    expect(await row(id)).toMatchObject({ status: 'waiting', last_error: null });
  });
});

describe('the wait before another attempt', () => {
  it('grows, up to hours, and is never the same for all', () => {
    expect([1, 2, 3, 8, 12, 40].map((attempts) => delayOf(attempts, 0.5))).toEqual([
      ...[5000, 10_000, 20_000, 640_000, 10_240_000, 21_600_000],
    ]);
    expect([delayOf(1, 0), delayOf(1, 0.999)]).toEqual([3750, 6248]);
  });
});
