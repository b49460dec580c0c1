/**
 * Redis and Postgres for all tests of one process: `node --import tsx run-stores.ts` says on one line where they are, and
 * ends them when its input ends, which is when the tests are gone, however they went.
 */
import { once } from 'node:events';
import { startPostgres } from './postgres-server.ts';
import { startRedis } from './redis-server.ts';

const [redis, postgres] = await Promise.all([
  startRedis({ appendonly: 'always' }),
  // Servers of tests come and go, and each keeps some connections.
  startPostgres({ settings: { max_connections: '300' } }),
]);
console.log(JSON.stringify({ redis: redis.url, database: postgres.url }));
process.stdin.resume();
await once(process.stdin, 'close');
await Promise.all([redis.stop(), postgres.stop()]);
