/** An instance that sends mails, of a database and to a mail server, until it is killed. */
import { createPool } from '../../server/durable/pool.ts';
import { createSqlMailQueue } from '../../server/durable/sql-store.ts';
import { createMailQueue } from '../../server/jobs/mail-queue.ts';
import { createSmtpSender } from '../../server/mail/smtp-sender.ts';
import { invitingSession } from './inviting-session.ts';

const [, , connection = '', url = ''] = process.argv;
const pool = createPool(JSON.parse(connection) as Parameters<typeof createPool>[0], { max: 2 }); // our own parent wrote it
const job = createMailQueue({
  queue: createSqlMailQueue(pool),
  sender: createSmtpSender({ url, from: 'no-reply@tandem.example' }),
  look: (sessionId) => Promise.resolve(invitingSession(sessionId)),
  now: () => Date.now(),
  metrics: { email: () => undefined },
  logger: { info: () => undefined, warn: () => undefined },
  onError: (error) => console.error(error),
});
job.start();
// What it does keeps no process alive.
setInterval(() => undefined, 60_000);
console.log('sending');
