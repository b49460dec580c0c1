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
  /** Empty where INFO is forbidden. */
  readonly version: string;
  /** Another one after each start of the process. */
  readonly runId: string;
  /** Another one after each promotion of a replica. */
  readonly replicationId: string;
}
