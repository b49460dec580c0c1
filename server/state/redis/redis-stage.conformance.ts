import { randomUUID } from 'node:crypto';
import { plainRedis } from '../../../test/support/redis-server.ts';
import type { Message } from '../../../protocol/session.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { AppendRequest, SessionSnapshot } from '../../sessions/ports.ts';
import {
  joinSession,
  openSession,
  type NewSeat,
  type SeatHolder,
  type SessionDocument,
} from '../../sessions/session.ts';
import { Recorder } from '../memory/recorder.conformance.ts';
import { createRedis, type Redis, type RedisOptions, type RedisReply } from './client.ts';
import { Keys } from './keys.ts';
import { RedisLimits } from './redis-limits.ts';
import { RedisState, type RedisStateOptions } from './redis-state.ts';

export const MINUTE = 60_000;
export const HORIZON_MS = 60 * MINUTE;
export const TIMINGS: Timings = {
  graceMs: 10 * MINUTE,
  idleWarningMs: 5 * MINUTE,
  idleTimeoutMs: 30 * MINUTE,
  ttlMs: 1440 * MINUTE,
};

export function redisAt(url: string): RedisOptions {
  const { hostname, port, username, password } = new URL(url);
  return {
    topology: { kind: 'standalone', host: hostname, port: Number(port === '' ? 6379 : port) },
    username: username === '' ? null : decodeURIComponent(username),
    password: password === '' ? null : decodeURIComponent(password),
    database: 0,
    tls: null,
  };
}

/** An instance: its state, and what it was told. */
export interface Instance {
  readonly id: string;
  readonly redis: Redis;
  readonly state: RedisState;
  readonly heard: { readonly message: Message; readonly sender: SeatHolder }[];
  readonly changes: { readonly snapshot: SessionSnapshot; readonly mayHaveMissed: boolean }[];
}

/** Instances on one Redis, under a prefix of their own and a clock that stands still. */
export class RedisStage {
  readonly faults: unknown[] = [];
  readonly archive = new Recorder();
  readonly keys: Keys;
  readonly redis: Redis;
  now = Date.parse('2026-01-31T12:00:00.000Z');
  readonly #prefix = `tandem:test-${randomUUID()}`;
  readonly #options: RedisOptions;
  readonly #instances: Instance[] = [];
  readonly #stop: () => Promise<void>;

  private constructor(options: RedisOptions, stop: () => Promise<void>) {
    this.#options = options;
    this.#stop = stop;
    this.keys = new Keys(this.#prefix);
    this.redis = createRedis(options);
  }

  /** On the server that is given, or on one of its own. */
  static async open(server?: RedisOptions): Promise<RedisStage> {
    const plain = server === undefined ? await plainRedis() : null;
    const stage = new RedisStage(server ?? redisAt(plain?.url ?? ''), async () => plain?.stop());
    await stage.redis.start();
    return stage;
  }

  readonly clock = (): string => String(this.now);

  async instance(id: string, own: Partial<RedisStateOptions> = {}): Promise<Instance> {
    const redis = createRedis(this.#options);
    await redis.start();
    const { keys, clock } = this;
    const heard: Instance['heard'] = [];
    const changes: Instance['changes'] = [];
    const limits = { redis, keys, failPolicy: 'closed', instanceCount: () => 1, now: () => this.now, clock } as const;
    const state = new RedisState({
      redis,
      subscriber: redis.createSubscriber(),
      keys,
      instanceId: id,
      onAppended: () => undefined,
      onMessage: (message, sender) => heard.push({ message: JSON.parse(message.json) as Message, sender }),
      onChangedElsewhere: (snapshot, mayHaveMissed) => changes.push({ snapshot, mayHaveMissed }),
      onNewEpoch: () => undefined,
      archive: { durable: this.archive, store: () => Promise.resolve('stored'), now: () => this.now },
      clusterLimits: redis.kind === 'cluster' ? new RedisLimits(limits) : null,
      timings: TIMINGS,
      retryHorizonMs: HORIZON_MS,
      now: () => this.now,
      onFault: (error) => this.faults.push(error),
      ...own,
    });
    await state.start();
    const instance: Instance = { id, redis, state, heard, changes };
    this.#instances.push(instance);
    return instance;
  }

  /** All keys under the prefix; of a server that is no cluster. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for (let cursor = '0'; ;) {
      const page = await this.redis.send(['SCAN', cursor, 'MATCH', `${this.#prefix}*`, 'COUNT', '1000']);
      const [next, found] = page as readonly [string, readonly string[]]; // By the protocol.
      names.push(...found);
      if (next === '0') return names;
      cursor = next;
    }
  }

  command(...args: readonly string[]): Promise<RedisReply> {
    return this.redis.send(args, args[1] ?? '');
  }

  async close(): Promise<void> {
    for (const { state, redis } of this.#instances) {
      await state.stop();
      await redis.close();
    }
    if (process.env['TEST_REDIS_URL'] !== undefined && this.redis.kind !== 'cluster') {
      for (const name of await this.names()) await this.redis.send(['UNLINK', name], name);
    }
    await this.redis.close();
    await this.#stop();
    if (this.faults.length > 0) throw new AggregateError(this.faults, 'the state had faults');
  }
}

export function newcomer(instance: string, own: Partial<NewSeat> = {}): NewSeat {
  const id = randomUUID();
  return { id, name: null, userId: null, tokenHash: `token of ${id}`, keyHash: null, instance, ...own };
}

/** A session as it is opened now by somebody at that instance. */
export function opened(stage: RedisStage, instance: string, capacity = 2, own: Partial<NewSeat> = {}): SessionDocument {
  const code = { value: codeFrom(randomUUID()), expiresAt: stage.now + 15 * MINUTE };
  const input = {
    id: randomUUID(),
    now: stage.now,
    capacity,
    approval: false,
    shareHistory: false,
    metadata: {},
    code,
  };
  return openSession(input, newcomer(instance, own));
}

/** Created at one instance, joined at another. */
export async function paired(
  stage: RedisStage,
  host: Instance,
  guest: Instance,
): Promise<{ sessionId: string; host: SeatHolder; guest: SeatHolder }> {
  const document = opened(stage, host.id);
  const created = await host.state.create(document, () => undefined);
  if (created.kind !== 'created') throw new Error(`not created: ${created.kind}`);
  const seatId = await join(document, guest);
  const [first] = document.seats;
  return {
    sessionId: document.id,
    host: { seatId: first?.id ?? '', generation: 1 },
    guest: { seatId, generation: 1 },
  };
}

/** Gives the new seat. */
export async function join({ id, code }: SessionDocument, guest: Instance): Promise<string> {
  const seat = newcomer(guest.id);
  const joined = await guest.state.change(id, joinSession(code?.value ?? '', seat, HORIZON_MS));
  if (joined.kind !== 'decided' || joined.outcome.kind !== 'joined') throw new Error(`not joined: ${joined.kind}`);
  return seat.id;
}

export function messageOf(
  sessionId: string,
  sender: SeatHolder,
  id: string = randomUUID(),
  body: string = id,
): AppendRequest {
  const bodyJson = JSON.stringify(body);
  const type = 'text';
  return { sessionId, sender, id, type, body, bodyJson, fingerprint: fingerprintOf(type, bodyJson), limits: [] };
}

function codeFrom(text: string): string {
  return text.replaceAll('-', '').toUpperCase().slice(-8);
}
