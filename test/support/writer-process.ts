/**
 * Works in a data directory until it is killed: prints the id of its session, then the seq of each message that the
 * store said is stored. Batches of many sizes, some with long bodies.
 */
import { startEmbeddedPostgres } from '../../server/durable/embedded.ts';
import { createPool } from '../../server/durable/pool.ts';
import { createSqlStore } from '../../server/durable/sql-store.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from './stored-session.ts';

const [, , dataDir = ''] = process.argv;
const postgres = await startEmbeddedPostgres({
  dataDir,
  onEvent: (_event, error) => {
    throw error ?? new Error('The embedded Postgres was lost');
  },
});
const store = createSqlStore(createPool(postgres.connection, { max: 2 }));
const host = newSeat('host');
const session = newSession({ seats: [host] });
await store.commit(creation(session));
console.log(session.id);
for (let seq = 0; ;) {
  const batch = Array.from({ length: 1 + (seq % 40) }, () => {
    seq += 1;
    return newMessage(session, host, seq, {
      id: `message-${seq}`,
      bodyJson: JSON.stringify('x'.repeat((seq * 97) % 9_000)),
    });
  });
  await store.commit(messagesOnly(...batch));
  console.log(seq);
}
