import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../test/support/eventually.ts';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { createPool, type Pool } from '../durable/pool.ts';
import { createSqlMailQueue } from '../durable/sql-store.ts';
import { createSmtpSender } from '../mail/smtp-sender.ts';
import type { MailQueue } from '../sessions/mail-queue.ts';
import { createMailQueue, delayOf, type MailQueueJob, type MailQueueOptions } from './mail-queue.ts';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const DEADLINE_MS = 15_000;

describe('the mail queue', () => {
  let database: SqlDatabase;
  let pool: Pool;
  let queue: MailQueue;
  let server: MailServer;
  let now: number;
  let outcomes: string[];
  let dead: string[];
  let logged: unknown[];
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
    [now, outcomes, dead, logged, faults] = [START, [], [], [], []];
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
      now: () => now,
      random: () => 0.5,
      metrics: { email: (outcome) => outcomes.push(outcome) },
      logger: { info: (event, fields) => logged.push({ event, ...fields }) },
      onDead: ({ reason }) => dead.push(reason),
      onError: (error) => faults.push(error),
      ...more,
    });
    jobs.push(job);
    job.start();
    return job;
  }

  async function put(recipient: string, codeExpiresAt = START + 15 * MINUTE): Promise<string> {
    const id = uuidv7();
    const content = { code: 'BCD234', codeExpiresAt, origin: 'https://tandem.example', note: null };
    await queue.enqueue({ ...{ id, sessionId: id, sender: 'u', recipient, content }, now: START, dueAt: START });
    return id;
  }

  interface Row {
    status: string;
    attempts: number;
    last_error: string | null;
    due_in: number;
  }
  async function row(id: string): Promise<Row> {
    const { rows } = await database.client.query<Row>(
      `select status, attempts, last_error, (extract(epoch from due_at) * 1000 - $2)::float8 as due_in
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

  it('brings what waits, once, and says so without the address', async () => {
    const ids = [];
    for (let count = 0; count < 5; count += 1) ids.push(await put(`anna${count}@example.org`));
    const job = jobOf();
    for (const id of ids) await becomes(id, { status: 'sent', attempts: 1, last_error: null });
    expect(server.mails.all.flatMap(({ to }) => to).sort()).toEqual(ids.map((_id, n) => `anna${n}@example.org`));
    expect(outcomes).toEqual(ids.map(() => 'sent'));
    expect(logged).toHaveLength(5);
    expect(logged[0]).toEqual({
      ...{ event: 'email_sent', sessionId: expect.any(String), attempt: 1, durationMs: expect.any(Number) },
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
    expect(dead.sort()).toEqual(['RCPT TO 550 5.1.1', 'expired', 'expired: RCPT TO 451']);
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
