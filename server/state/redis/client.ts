/**
 * The one way to Redis: a single server, a primary that sentinels name, or a cluster, behind one facade. What it
 * promises to all three alike:
 *
 * - What cannot be asked is refused at once with `UNAVAILABLE`; nothing waits in a queue for better times. What was
 *   asked of a server that does not answer is refused within 2 s, and its outcome is unknown.
 * - Nothing is sent twice. A caller that repeats a command knows that the first may have run.
 * - It heals by itself: connections are made anew, to whoever is primary by then.
 */
import { createCluster } from './client-cluster.ts';
import type { RedisHooks, RedisKind, RedisOptions, RedisPrimary, RedisReply, RedisScript } from './client-types.ts';
import { createSingle } from './client-single.ts';
import type { RedisSubscriber } from './client-subscriber.ts';

export type { RedisAddress, RedisHooks, RedisKind, RedisOptions, RedisPrimary } from './client-types.ts';
export type { RedisReply, RedisScript, RedisTopology } from './client-types.ts';
export type { RedisSubscriber } from './client-subscriber.ts';

export interface Redis {
  readonly kind: RedisKind;
  /**
   * Resolves when every primary can be asked. Rejects with `UNAVAILABLE` when that takes longer than `deadlineMs`; it
   * goes on trying then, until `close`.
   */
  start(deadlineMs?: number): Promise<void>;
  /** Whether every primary can be asked. */
  isReady(): boolean;
  /** Of the oldest primary that was reached, such as `7.0.15`. Null before that, and where INFO is forbidden. */
  serverVersion(): string | null;
  /** The primaries that can be asked now. */
  primaries(): readonly RedisPrimary[];
  /** Told when it stops being ready. Each of these gives a function that takes the listener away again. */
  onLost(listener: (error: Error) => void): () => void;
  /** Told when it is ready again; not of the first time. */
  onRecovered(listener: () => void): () => void;
  /** Told of every primary that was reached, also anew: another `runId` or `replicationId` means other memory. */
  onPrimary(listener: (primary: RedisPrimary) => void): () => void;
  /** Runs a script where `keys[0]` lives. Replies are plain: strings, numbers, arrays, null. */
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<RedisReply>;
  /** Sends one command to where `key` lives; without a key, to any primary. */
  send(args: readonly (string | Buffer)[], key?: string): Promise<RedisReply>;
  /** Sends one command to every primary. Rejects when one of them cannot be asked. */
  sendToPrimaries(args: readonly string[]): Promise<readonly RedisReply[]>;
  /** How many subscribers it reached, on a best effort. Sharded in a cluster: subscribers are in the channel's slot. */
  publish(channel: string, message: string | Buffer): Promise<number>;
  /** Listens to channels on connections of its own, which `close` of either ends. */
  createSubscriber(): RedisSubscriber;
  /** Ends every connection; what waits for an answer is refused. May be called twice. */
  close(): Promise<void>;
}

/** Nothing is connected before `start`. */
export function createRedis(options: RedisOptions, hooks: RedisHooks = {}): Redis {
  const { topology } = options;
  return topology.kind === 'cluster'
    ? createCluster(options, topology.nodes, hooks)
    : createSingle(options, topology, hooks);
}
