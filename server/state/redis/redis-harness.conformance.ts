import type { Message } from '../../../protocol/session.ts';
import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/support/eventually.ts';
import { Recorder } from '../memory/recorder.conformance.ts';
import { createArchiver, type Archiver } from '../../jobs/archiver.ts';
import { releaseSeats } from '../../sessions/instance-seats.ts';
import type { CommitFailure, Delivery, Harness, HarnessOptions } from '../state.conformance.ts';
import { createRedis, type Redis, type RedisOptions, type RedisSubscriber } from './client.ts';
import { Instances } from './instances.ts';
import { Keys, PARTITIONS } from './keys.ts';
import { RedisLimits } from './redis-limits.ts';
import { RedisState } from './redis-state.ts';
import { Unarchived } from './unarchived.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');
const INSTANCE = 'here';
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/** The shared state over a real Redis, under a prefix of its own; an archive runs when a test asks for it. */
export class RedisHarness implements Harness {
  readonly deliveries: Delivery[] = [];
  readonly recoveries = [];
  readonly faults: unknown[] = [];
  readonly recorder = new Recorder();
  readonly #options: HarnessOptions;
  readonly #redis: Redis;
  readonly #keys = new Keys(`tandem:test-${randomUUID()}`);
  #subscriber: RedisSubscriber;
  #state: RedisState;
  #archiver: Archiver;
  #now = START;

  private constructor(options: HarnessOptions, redis: Redis) {
    this.#options = options;
    this.#redis = redis;
    this.#subscriber = redis.createSubscriber();
    this.#state = this.#openState();
    this.#archiver = this.#openArchiver();
  }

  /** The connections that all tests of a file share: making those of a cluster takes longer than most of the tests. */
  static connect(server: RedisOptions): Promise<Redis> {
    return patiently(
      () => createRedis(server),
      (redis) => redis.start(),
    );
  }

  static open(redis: Redis, options: HarnessOptions): Promise<RedisHarness> {
    return patiently(
      () => new RedisHarness(options, redis),
      (harness) => harness.state.start(),
    );
  }

  get state(): RedisState {
    return this.#state;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  async archive(sessionId: string): Promise<void> {
    if (!(await this.#archiver.archive(sessionId))) throw new Error(`${sessionId} could not be archived`);
  }

  holdCommits(): void {
    throw new Error('Redis has no commit to hold');
  }

  commitHeld(): Promise<void> {
    return Promise.reject(new Error('Redis has no commit to hold'));
  }

  releaseCommits(): void {
    // None is held.
  }

  failNextCommit(failure: CommitFailure): void {
    throw new Error(`Redis has no commit that could be ${failure}`);
  }

  /** The instance dies with its connections; another finds what it held, as it does when heartbeats stand still. */
  async restart(): Promise<void> {
    await this.#state.stop();
    await this.#subscriber.close();
    this.#subscriber = this.#redis.createSubscriber();
    this.#state = this.#openState();
    this.#archiver = this.#openArchiver();
    await this.#state.start();
    const held = await new Instances(this.#redis, this.#keys).heldBy(INSTANCE, ALL);
    for (const sessionId of held) await this.#state.change(sessionId, releaseSeats(INSTANCE));
  }

  async close(): Promise<void> {
    await this.#state.stop();
    await this.#subscriber.close();
    if (this.faults.length > 0) throw new AggregateError(this.faults, 'the state had faults');
    if (this.recorder.divergences.length > 0) throw new Error(this.recorder.divergences.join('\n'));
  }

  #clusterLimits(): RedisLimits {
    return new RedisLimits({
      redis: this.#redis,
      keys: this.#keys,
      failPolicy: 'closed',
      instanceCount: () => 1,
      now: () => this.#now,
      clock: () => String(this.#now),
    });
  }

  #openState(): RedisState {
    return new RedisState({
      redis: this.#redis,
      subscriber: this.#subscriber,
      keys: this.#keys,
      instanceId: INSTANCE,
      onAppended: () => undefined,
      onMessage: (message, sender) => this.deliveries.push({ message: JSON.parse(message.json) as Message, sender }),
      onChangedElsewhere: () => undefined,
      onNewEpoch: () => undefined,
      archive: { durable: this.recorder, store: () => Promise.resolve('stored'), now: () => this.#now },
      clusterLimits: this.#redis.kind === 'cluster' ? this.#clusterLimits() : null,
      ...this.#options,
      now: () => this.#now,
      onFault: (error) => this.faults.push(error),
    });
  }

  #openArchiver(): Archiver {
    const source = new Unarchived({
      redis: this.#redis,
      keys: this.#keys,
      hotMessages: this.#options.hotMessages,
      closedLifeMs: this.#options.retryHorizonMs,
      owned: () => ALL,
      clock: () => String(this.#now),
    });
    return createArchiver({
      source,
      durable: this.recorder,
      onTurn: () => undefined,
      onPoison: (_, error) => this.faults.push(error),
    });
  }
}

/** A busy machine may take longer to connect than a server would wait; that is not what is tried here. */
async function patiently<Opened extends { close(): Promise<void> }>(
  create: () => Opened,
  start: (created: Opened) => Promise<void>,
): Promise<Opened> {
  return eventually(async () => {
    const created = create();
    try {
      await start(created);
    } catch (error) {
      await created.close();
      throw error;
    }
    return created;
  });
}
