import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../../../protocol/errors.ts';
import type { SessionCode, SessionDocument } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const CLAIM_CODE = loadScript('claim_code');
const RELEASE_CODE = loadScript('release_code');
const FIND_NAME = loadScript('find_name');
const COUNT_CODES = loadScript('count_codes');
const CLAIM_KEY = loadScript('claim_key');

/** Within this time after its claim a session is made, or never. */
const MAKING_MS = 2000;
const LOOK_AGAIN_MS = 20;

export interface SessionNamesOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  retryHorizonMs: number;
  clock: () => string;
  /** The session as it is stored; null when there is none. */
  read: (sessionId: string) => Promise<NamedSession | null>;
  /** The same, put back from the archive where the store has lost it. */
  recall: (sessionId: string) => Promise<NamedSession | null>;
}

interface NamedSession {
  readonly now: number;
  readonly document: SessionDocument;
}

/**
 * Names that lead to sessions: codes, and keys of creates and joins. They lie in slots of their own, so a name is
 * claimed before the session is stored, and means something only when the session agrees.
 */
export class SessionNames {
  readonly #options: SessionNamesOptions;

  constructor(options: SessionNamesOptions) {
    this.#options = options;
  }

  /** False when the code leads to another session. */
  async claimCode(sessionId: string, { value, expiresAt }: SessionCode): Promise<boolean> {
    const { redis, keys, clock } = this.#options;
    const names = [keys.code(value), keys.liveCodes];
    return numberOf(await redis.run(CLAIM_CODE, names, [clock(), sessionId, value, String(expiresAt)])) === 1;
  }

  async releaseCode(sessionId: string, { value }: SessionCode): Promise<void> {
    const { redis, keys } = this.#options;
    await redis.run(RELEASE_CODE, [keys.code(value), keys.liveCodes], [sessionId, value]);
  }

  async findByCode(code: string): Promise<string | null> {
    const { redis, keys, recall } = this.#options;
    const name = await redis.run(FIND_NAME, [keys.code(code)], []);
    if (name === null) return null;
    const [sessionId = ''] = textOf(name).split(' ');
    const found = await recall(sessionId);
    const held = found?.document.code ?? null;
    return found !== null && held?.value === code && held.expiresAt > found.now ? sessionId : null;
  }

  async countLiveCodes(): Promise<number> {
    const { redis, keys, clock } = this.#options;
    return numberOf(await redis.run(COUNT_CODES, [keys.liveCodes], [clock()]));
  }

  async findByKey(keyHash: string): Promise<string | null> {
    const { redis, keys } = this.#options;
    const name = await redis.run(FIND_NAME, [keys.idempotency(keyHash)], []);
    if (name === null) return null;
    const [sessionId = ''] = textOf(name).split(' ');
    return this.#holdsKey(await this.#options.recall(sessionId), keyHash) ? sessionId : null;
  }

  /** A join took a seat with this key: the code alone may not lead to it by the time it is repeated. */
  async rememberKey(sessionId: string, keyHash: string): Promise<void> {
    const { redis, keys, retryHorizonMs, clock } = this.#options;
    const key = keys.idempotency(keyHash);
    const args = [clock(), sessionId, '0', String(retryHorizonMs)];
    const [taken, claim] = arrayOf(await redis.run(CLAIM_KEY, [key], [...args, '']));
    // A later seat of the same key (the first was left) replaces the earlier one.
    if (numberOf(taken) === 0) await redis.run(CLAIM_KEY, [key], [...args, textOf(claim)]);
  }

  /**
   * The one who may make a session with this key: gives the time by which it must be made, or the session that was made
   * with it.
   */
  async claimKey(
    newSessionId: string,
    keyHash: string,
  ): Promise<{ kind: 'claimed'; by: number } | { kind: 'taken'; sessionId: string }> {
    const { redis, keys, retryHorizonMs, clock, read, recall } = this.#options;
    const key = keys.idempotency(keyHash);
    const args = [clock(), newSessionId, String(MAKING_MS), String(retryHorizonMs)];
    const giveUpAt = performance.now() + 2 * MAKING_MS;
    for (let empty = ''; performance.now() < giveUpAt;) {
      const [taken, claim, holder, by, now] = arrayOf(await redis.run(CLAIM_KEY, [key], [...args, empty]));
      if (numberOf(taken) === 1) return { kind: 'claimed', by: numberOf(claim) };
      const sessionId = textOf(holder);
      // Whoever claimed it may still be making the session: what is not there then, the archive has not.
      const isMaking = numberOf(now) <= numberOf(by);
      const found = await (isMaking ? read(sessionId) : recall(sessionId));
      if (this.#holdsKey(found, keyHash)) return { kind: 'taken', sessionId };
      if (isMaking) await delay(LOOK_AGAIN_MS);
      else empty = textOf(claim);
    }
    throw new TandemError('UNAVAILABLE', 'Another request with this key is not done yet: repeat it with the same key.');
  }

  #holdsKey(found: NamedSession | null, keyHash: string): boolean {
    const { retryHorizonMs } = this.#options;
    if (found === null || found.document.closed !== null) return false;
    return found.document.seats.some(({ key }) => key?.hash === keyHash && found.now < key.at + retryHorizonMs);
  }
}
