import { randomUUID } from 'node:crypto';
import type { FeedReading, Revocation, RevocationFeed } from '../../auth/ports.ts';
import type { Redis, RedisSubscriber } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const PUBLISH = loadScript('publish_revocations');
const READ = loadScript('read_revocations');

/** About 10 MB in Redis. The list is for the time in which Postgres is away; it need not hold all. */
const MOST_KEPT = 50_000;
/** In one call, so that none takes Redis long. */
const AT_ONCE = 500;
/** Read once more with what is new: a replica that was promoted may have another clock. */
const OVERLAP_MS = 10_000;

export interface RedisRevocationsOptions {
  readonly redis: Pick<Redis, 'kind' | 'run' | 'primaries'>;
  readonly subscriber: Pick<RedisSubscriber, 'subscribe' | 'unsubscribe'>;
  readonly keys: Keys;
  /** Unix ms as text, or '' for the time of Redis. */
  readonly clock: () => string;
  readonly mostKept?: number;
}

/** Revocations that instances tell each other through Redis. All keys lie in one slot. */
export class RedisRevocations implements RevocationFeed {
  readonly #options: RedisRevocationsOptions;
  readonly #listeners: ((revocations: readonly Revocation[]) => void)[] = [];

  constructor(options: RedisRevocationsOptions) {
    this.#options = options;
  }

  /** Rejects with `UNAVAILABLE` when the channel is not heard by then; it is as soon as it can be. */
  async start(): Promise<void> {
    const { subscriber, keys } = this.#options;
    await subscriber.subscribe([keys.revocations.channel], (packet) => this.#receive(packet.toString()));
  }

  stop(): void {
    const { subscriber, keys } = this.#options;
    subscriber.unsubscribe([keys.revocations.channel]);
  }

  async publish(revocations: readonly Revocation[]): Promise<boolean> {
    const { redis, keys, clock, mostKept = MOST_KEPT } = this.#options;
    const { channel } = keys.revocations;
    const command = redis.kind === 'cluster' ? 'SPUBLISH' : 'PUBLISH';
    for (let from = 0; from < revocations.length; from += AT_ONCE) {
      const some = revocations.slice(from, from + AT_ONCE).map((one) => [encode(one), String(one.expiresAt)] as const);
      const packet = `[${some.map(([text]) => text).join()}]`;
      const head = [clock(), randomUUID(), String(mostKept), command, channel, packet];
      await redis.run(PUBLISH, this.#names(), [...head, ...some.flat()]);
    }
    return true;
  }

  async changes(since: number | null): Promise<FeedReading> {
    const { redis, clock } = this.#options;
    const from = since === null ? '' : String(since - OVERLAP_MS);
    const [name, now, found] = arrayOf(await redis.run(READ, this.#names(), [clock(), randomUUID(), from]));
    const revocations = arrayOf(found).flatMap((one) => decode(textOf(one)));
    // Another primary may have less, under the same name.
    const places = redis.primaries().map(({ replicationId }) => replicationId);
    return { revocations, asOf: numberOf(now), epoch: [textOf(name), ...places.sort()].join(' ') };
  }

  onPublished(listener: (revocations: readonly Revocation[]) => void): void {
    this.#listeners.push(listener);
  }

  #names(): string[] {
    const { published, ends, list } = this.#options.keys.revocations;
    return [published, ends, list];
  }

  #receive(packet: string): void {
    const revocations = decode(packet);
    if (revocations.length > 0) for (const listener of this.#listeners) listener(revocations);
  }
}

/** The same revocation is the same text: it is kept once. */
function encode({ kind, subject, notBefore, expiresAt }: Revocation): string {
  return JSON.stringify([kind, subject, notBefore, expiresAt]);
}

/** One, or a list of them. What is none was written by a stranger, or by a later version: it says nothing here. */
function decode(text: string): Revocation[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(value)) return [];
  const entries: unknown[] = Array.isArray(value[0]) ? value : [value];
  return entries.flatMap((entry) => revocationOf(entry) ?? []);
}

function revocationOf(entry: unknown): Revocation | null {
  if (!Array.isArray(entry)) return null;
  const [kind, subject, notBefore, expiresAt] = entry as unknown[];
  if (typeof subject !== 'string' || !Number.isSafeInteger(expiresAt)) return null;
  const end = Number(expiresAt);
  if (kind === 'user' && Number.isSafeInteger(notBefore)) {
    return { kind, subject, notBefore: Number(notBefore), expiresAt: end };
  }
  return kind === 'login' || kind === 'token' ? { kind, subject, notBefore: null, expiresAt: end } : null;
}
