import type { Redis, RedisSubscriber } from './client.ts';

type Handler = (message: Buffer, channel: Buffer) => void;

/**
 * What the Socket.IO Redis adapter needs of two clients, over ours: one bound on all waits, one place that reconnects, and
 * no rejection that nobody hears. On a cluster the channels are sharded; elsewhere the plain ones do the same, so one
 * adapter serves every version of Redis.
 */
export interface AdapterClients {
  readonly publisher: AdapterClient;
  readonly subscriber: AdapterClient;
  readonly channelPrefix: string;
}

/** The names are those that the adapter calls. */
export interface AdapterClient {
  sSubscribe(channel: string, handler: Handler): void;
  sUnsubscribe(channels: string | readonly string[]): void;
  sPublish(channel: string, payload: string | Buffer): Promise<number>;
}

/** `onLost`: an event could not be published. Others heal from the log, or hear of it when they compare. */
export function adapterClients(
  redis: Pick<Redis, 'publish'>,
  subscriber: RedisSubscriber,
  channelPrefix: string,
  onLost: (error: unknown) => void,
): AdapterClients {
  const client: AdapterClient = {
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
  return { publisher: client, subscriber: client, channelPrefix };
}
