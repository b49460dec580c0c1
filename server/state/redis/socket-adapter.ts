import { createShardedAdapter } from '@socket.io/redis-adapter';
import type { Redis, RedisSubscriber } from './client.ts';

type Handler = (message: Buffer, channel: Buffer) => void;

/**
 * What the Socket.IO Redis adapter needs of its two clients, over ours: one bound on all waits, one place that
 * reconnects, and no rejection that nobody hears. On a cluster the channels are sharded; elsewhere the plain ones do the
 * same, so one adapter serves every version of Redis. The names are those that the adapter calls.
 */
interface AdapterClient {
  sSubscribe(channel: string, handler: Handler): void;
  sUnsubscribe(channels: string | readonly string[]): void;
  sPublish(channel: string, payload: string | Buffer): Promise<number>;
}

/**
 * How instances hear each other's events. One channel for all of them: a channel for each room is heard only a while after
 * somebody joined it, and what was said in between, such as the pairing itself, would be lost.
 */
export function createSocketAdapter(
  redis: Pick<Redis, 'publish'>,
  subscriber: RedisSubscriber,
  channelPrefix: string,
  onLost: (error: unknown) => void,
): ReturnType<typeof createShardedAdapter> {
  const client = adapterClient(redis, subscriber, onLost);
  return createShardedAdapter(client, client, { channelPrefix, subscriptionMode: 'static' });
}

/** `onLost`: an event could not be published. Others heal from the log, or hear of it when they compare. */
function adapterClient(
  redis: Pick<Redis, 'publish'>,
  subscriber: RedisSubscriber,
  onLost: (error: unknown) => void,
): AdapterClient {
  return {
    sSubscribe: (channel, handler) => {
      subscriber
        .subscribe([channel], (message, name) => handler(message, Buffer.from(name)))
        // It stays wanted, and is heard as soon as that is possible.
        .catch(onLost);
    },
    sUnsubscribe: (channels) => subscriber.unsubscribe(typeof channels === 'string' ? [channels] : channels),
    sPublish: async (channel, payload) => {
      try {
        return await redis.publish(channel, payload);
      } catch (error) {
        onLost(error);
        return 0;
      }
    },
  };
}
