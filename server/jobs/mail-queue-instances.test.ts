/** Instances that share a queue in a real Postgres: which of them brings a mail, and what becomes of it when that one dies. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { runScript } from '../../test/support/child-script.ts';
import { eventually } from '../../test/support/eventually.ts';
import { INVITING_CODE, invitingSession } from '../../test/support/inviting-session.ts';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { createPool, type Pool } from '../durable/pool.ts';
import { createSqlMailQueue } from '../durable/sql-store.ts';
import { createSmtpSender } from '../mail/smtp-sender.ts';
import { createMailQueue, type MailQueueJob } from './mail-queue.ts';

const DEADLINE_MS = 30_000;
/** Longer than a mail is left to an instance of which nothing is heard. */
const LATER_MS = 120_000;

describe('instances that share a mail queue', () => {
  let database: SqlDatabase;
  let server: MailServer;
  const pools: Pool[] = [];
  const jobs: MailQueueJob[] = [];

  beforeAll(async () => {
    database = await openSqlDatabase('Postgres server');
  }, 60_000);
  afterAll(() => database.close());
  afterEach(async () => {
    await Promise.all(jobs.splice(0).map((job) => job.stop()));
    await Promise.all(pools.splice(0).map((pool) => pool.end()));
    await server.stop();
  });

  /** An instance of its own, as far as the database can tell. */
  function startInstance(now = () => Date.now()): void {
    const pool = createPool(database.connection, { max: 2 });
    const job = createMailQueue({
      queue: createSqlMailQueue(pool),
      sender: createSmtpSender({ url: server.url, from: 'no-reply@tandem.example' }),
      look: (sessionId) => Promise.resolve(invitingSession(sessionId)),
      now,
      metrics: { email: () => undefined },
      logger: { info: () => undefined, warn: () => undefined },
      // A busy machine is late at times; the next round comes by itself.
      onError: () => undefined,
    });
    pools.push(pool);
    jobs.push(job);
    job.start();
  }

  async function put(count: number): Promise<string[]> {
    const pool = createPool(database.connection, { max: 1 });
    pools.push(pool);
    const ids = Array.from({ length: count }, () => uuidv7());
    const content = {
      ...{ code: INVITING_CODE, codeExpiresAt: Date.now() + 15 * 60_000 },
      ...{ origin: 'https://tandem.example', note: null },
    };
    const now = Date.now();
    for (const [index, id] of ids.entries()) {
      const recipient = `anna${index}@example.org`;
      const mail = { ...{ id, sessionId: id, sender: 'u', recipient, content }, now, dueAt: now };
      await createSqlMailQueue(pool).enqueue(mail);
    }
    return ids;
  }
  const allAre = (ids: string[], status: string, attempts: number) =>
    eventually(async () => {
      const { rows } = await database.client.query(
        'select distinct status, attempts from mail_queue where id = any ($1)',
        [ids],
      );
      expect(rows).toEqual([{ status, attempts }]);
    }, DEADLINE_MS);

  it('sends each mail once, whoever does', async () => {
    server = await startMailServer();
    const ids = await put(24);
    for (let count = 0; count < 3; count += 1) startInstance();
    await allAre(ids, 'sent', 1);
    const recipients = server.mails.all.flatMap(({ to }) => to);
    expect(recipients).toHaveLength(24);
    expect(new Set(recipients).size).toBe(24);
  }, 60_000);

  it('sends what one was killed with again, once, under the same id, and not before its time', async () => {
    // It has the mail, and does not say so.
    server = await startMailServer({ keepsQuiet: true });
    const [id = ''] = await put(1);
    const { password } = database.connection;
    const connection = {
      ...database.connection,
      password: typeof password === 'function' ? await password() : password,
    };
    const child = runScript('test/support/mail-process.ts', JSON.stringify(connection), server.url);
    await child.nextLine();
    const first = await server.mails.next('the mail', () => true, DEADLINE_MS);
    await child.kill('SIGKILL');
    const { port } = server;
    await server.stop();
    server = await startMailServer({ port });
    startInstance();
    // A mail that came later goes first: the other is left to the one who has it.
    const next = await put(1);
    await allAre(next, 'sent', 1);
    expect(server.mails.all).toHaveLength(1);
    await allAre([id], 'waiting', 1);
    startInstance(() => Date.now() + LATER_MS);
    startInstance(() => Date.now() + LATER_MS);
    await allAre([id], 'sent', 2);
    const idOf = (raw: string) => /^Message-ID: (.*)$/im.exec(raw)?.[1];
    const again = server.mails.all.filter(({ raw }) => idOf(raw) === idOf(first.raw));
    expect(again).toHaveLength(1);
  }, 90_000);
});
