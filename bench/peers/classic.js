/** Socket.IO with its classic Redis adapter: whatever one instance sends goes to all others. It keeps and limits nothing. */
import { createAdapter } from '@socket.io/redis-adapter';
import { connectRedis } from './redis-clients.js';
import { startRelay } from './relay.js';

const [publisher, subscriber] = await Promise.all([connectRedis(), connectRedis()]);
startRelay({ adapter: createAdapter(publisher, subscriber) });
