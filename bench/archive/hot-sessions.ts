import { randomUUID } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import type { OpenDurable } from '../../server/durable/open-durable.ts';
import { fingerprintOf } from '../../server/sessions/fingerprint.ts';
import { joinSession, openSession, type NewSeat, type SeatHolder } from '../../server/sessions/session.ts';
import { createRedis, type Redis } from '../../server/state/redis/client.ts';
import { Keys } from '../../server/state/redis/keys.ts';
import { RedisState } from '../../server/state/redis/redis-state.ts';
import { arrayOf, numberOf } from '../../server/state/redis/reply.ts';
import { redisOptions } from './redis-options.ts';

const HOUR_MS = 3_600_000;
const BODY = 'x'.repeat(100);
const INSTANCE = 'bench';
/** Of all sessions in one round trip. */
const READ_DURABLE = `
  local found = {}
  for index, flat in ipairs(KEYS) do found[index] = redis.call('HGET', flat, 'dseq') end
  return found`;

export interface HotSession {
  readonly id: string;
  readonly host: SeatHolder;
}

/** Pairs in Redis, made and written to by the state that the server has. */
export class HotSessions {
  readonly prefix = `tandem:bench-${randomUUID()}`;
  readonly #keys = new Keys(this.prefix);
  readonly #redis: Redis;
  readonly #state: RedisState;
  readonly #faults: unknown[] = [];

  private constructor(redis: Redis, durable: OpenDurable) {
    this.#redis = redis;
    this.#state = new RedisState({
      redis,
      subscriber: redis.createSubscriber(),
      keys: this.#keys,
      instanceId: INSTANCE,
      onAppended: () => undefined,
      onMessage: () => undefined,
      onChangedElsewhere: () => undefined,
      onNewEpoch: () => undefined,
      archive: { durable: durable.store, store: () => Promise.resolve('unavailable'), now: Date.now },
      clusterLimits: null,
      timings: { graceMs: HOUR_MS, idleWarningMs: HOUR_MS, idleTimeoutMs: 2 * HOUR_MS, ttlMs: 24 * HOUR_MS },
      retryHorizonMs: HOUR_MS,
      onFault: (error) => this.#faults.push(error),
    });
  }

  static async open(redisUrl: string, durable: OpenDurable): Promise<HotSessions> {
    const redis = createRedis(redisOptions(redisUrl));
    await redis.start();
    const sessions = new HotSessions(redis, durable);
    await sessions.#state.start();
    return sessions;
  }

  /** Two seats, as pairs have them. */
  async pair(number: number): Promise<HotSession> {
    const code = { value: `B${number.toString().padStart(7, '0')}`, expiresAt: Date.now() + HOUR_MS };
    const host = newSeat();
    const flags = { capacity: 2, approval: false, shareHistory: false, metadata: {} };
    const document = openSession({ id: uuidV7(), now: Date.now(), code, ...flags }, host);
    const created = await this.#state.create(document, () => undefined);
    const joined = await this.#state.change(document.id, joinSession(code.value, newSeat(), HOUR_MS));
    if (created.kind !== 'created' || joined.kind !== 'decided') throw new Error('a session could not be made');
    return { id: document.id, host: { seatId: host.id, generation: 1 } };
  }

  /** Gives the seq under which it is stored. */
  async append({ id: sessionId, host: sender }: HotSession): Promise<number> {
    const [id, type, bodyJson] = [randomUUID(), 'text', JSON.stringify(BODY)];
    const fingerprint = fingerprintOf(type, bodyJson);
    const request = { sessionId, sender, id, type, body: BODY, bodyJson, fingerprint, limits: [] };
    const result = await this.#state.append(request);
    if (result.kind !== 'appended') throw new Error(`a message was not taken: ${result.kind}`);
    return result.seq;
  }

  async durableSeqs(sessions: readonly HotSession[]): Promise<number[]> {
    const names = sessions.map(({ id }) => this.#keys.session(id).flat);
    const reply = await this.#redis.send(['EVAL', READ_DURABLE, String(names.length), ...names], names[0] ?? '');
    return arrayOf(reply).map(numberOf);
  }

  /** Rejects with what went wrong meanwhile. */
  async close(): Promise<void> {
    await this.#state.stop();
    await this.#redis.close();
    if (this.#faults.length > 0) throw new AggregateError(this.#faults, 'the state had faults');
  }
}

function newSeat(): NewSeat {
  const id = uuidV7();
  return { id, name: null, userId: null, tokenHash: `token of ${id}`, keyHash: null, instance: INSTANCE };
}
