/** Connections to the Redis of `REDIS_URL`, tuned: as they come, node-redis makes a timer for each command, which doubles its CPU. */
import { createClient } from 'redis';

export async function connectRedis() {
  const client = createClient({
    url: process.env['REDIS_URL'] ?? '',
    pingInterval: 400,
    disableOfflineQueue: true,
    // One timer for the connection bounds the wait for all commands on it.
    commandOptions: { timeout: 0 },
    socket: {
      connectTimeout: 800,
      socketTimeout: 1000,
      reconnectStrategy: (attempts) => Math.min(50 * 2 ** attempts, 500),
    },
  });
  client.on('error', (error) => console.error(error));
  await client.connect();
  return client;
}
