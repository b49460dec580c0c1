/** Socket.IO with its sharded Redis adapter, whose rooms are channels: an instance hears of those alone that it has a member in. */
import { createShardedAdapter } from '@socket.io/redis-adapter';
import { connectRedis } from './redis-clients.js';
import { startRelay } from './relay.js';

const [publisher, subscriber] = await Promise.all([connectRedis(), connectRedis()]);
// The adapter does not wait for its subscriptions, and what is sent before them is lost: an answer behind them on the same connection tells.
startRelay({ adapter: createShardedAdapter(publisher, subscriber) }, { joined: () => subscriber.ping() });
