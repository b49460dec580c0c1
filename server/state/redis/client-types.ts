export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export type RedisTopology =
  | ({ readonly kind: 'standalone' } & RedisAddress)
  | { readonly kind: 'sentinel'; readonly name: string; readonly sentinels: readonly RedisAddress[] }
  | { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] };

export type RedisKind = RedisTopology['kind'];

/** How Redis is reached. The configuration's `redis` has this shape. */
export interface RedisOptions {
  readonly topology: RedisTopology;
  readonly username: string | null;
  readonly password: string | null;
  /** 0 in a cluster. */
  readonly database: number;
  /** Null: unencrypted. `ca` is PEM; null takes the certificates that Node.js trusts. Always verified. */
  readonly tls: { readonly ca: string | null } | null;
}

/** What is told to logs and metrics. */
export interface RedisHooks {
  /** Once for each loss and each recovery, however many connections that meant. */
  onEvent?: (
    event: 'redis_lost' | 'redis_recovered',
    details: { readonly error?: Error; readonly downMs?: number },
  ) => void;
  /** After every command, refused ones included. */
  onCommand?: (seconds: number) => void;
  /** After every connection that was made anew. */
  onReconnect?: () => void;
}

/** Run by its digest, sent whole where a node does not know it. */
export interface RedisScript {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

export type RedisReply = string | number | null | readonly RedisReply[];

export interface RedisPrimary extends RedisAddress {
  /** What it remembers goes by this name: equal names, equal memory. Where INFO is forbidden, each connection has its own. */
  readonly id: string;
  /** Empty where INFO is forbidden. */
  readonly version: string;
  /** Another one after each start of the process. */
  readonly runId: string;
  /** Another one after each promotion of a replica. */
  readonly replicationId: string;
}

/** Says which primaries may be asked by those who rely on what they hold. */
export interface Guard {
  /**
   * Calls `go` at once when that primary is trusted or there is none, later when it has become so, in the order of the
   * calls. Rejects with `UNAVAILABLE` when that takes too long. The primary is that of the connection that `go` uses:
   * nothing is sent over one that was made in between.
   */
  pass<T>(primary: () => RedisPrimary | null, go: () => Promise<T>): Promise<T>;
}

/**
 * What it promises, whatever kind of Redis it is:
 *
 * - What cannot be asked is refused at once with `UNAVAILABLE`; nothing waits in a queue for better times. What was
 *   asked of a server that does not answer is refused within 2 s, and its outcome is unknown.
 * - Nothing is sent twice. A caller that repeats a command knows that the first may have run.
 * - It heals by itself: connections are made anew, to whoever is primary by then.
 */
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
  /** Runs a script where `keys[0]` lives, if the guard lets it. Replies are plain: strings, numbers, arrays, null. */
  run(script: RedisScript, keys: readonly string[], args: readonly string[], guard?: Guard): Promise<RedisReply>;
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

export type MessageListener = (message: Buffer, channel: string) => void;

export interface RedisSubscriber {
  /**
   * Resolves when every one of the channels is heard. Rejects with `UNAVAILABLE` when that takes longer than 2 s; the
   * channels stay wanted and are heard as soon as that is possible. Each channel has one listener: the last.
   */
  subscribe(channels: readonly string[], listener: MessageListener): Promise<void>;
  /** At once for the listener; Redis is told when it can be. */
  unsubscribe(channels: readonly string[]): void;
  /** Whether every wanted channel is heard. */
  isReady(): boolean;
  /** Told of channels that are heard again after a time in which messages may have been missed. */
  onResubscribed(listener: (channels: readonly string[]) => void): () => void;
  close(): Promise<void>;
}
