/**
 * How many pairing codes somebody finds by guessing from 10,000 addresses for a day. The guard, the limiter and the source
 * of codes are those of a server; the clock is not. Addresses are alike and share no bucket but one that only delays, so
 * a few of them live through the whole day, and all of them through the first minutes of it.
 */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import { CODE_ALPHABET, LIMITS } from '../../protocol/limits.ts';
import type { LimitName, LimitRequest } from '../../protocol/limits.ts';
import { CodeSource } from '../../server/sessions/code-source.ts';
import { JoinGuard } from '../../server/sessions/join-guard.ts';
import { MemoryLimits } from '../../server/state/memory/memory-limits.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const ADDRESSES = 10_000;
const { join_failures_ip: BY_ADDRESS, join_failures_total: IN_TOTAL } = LIMITS;
const SIX_LONG = CODE_ALPHABET.length ** 6;
/** Of all codes of a length that there are, at most this part is alive. */
const DENSEST = 1 / 100_000;

/** Who guesses until refused, and again when told to: five in a row, then the block. */
const HASTY_PER_DAY = (DAY / (BY_ADDRESS.blockSeconds * 1000)) * BY_ADDRESS.points;
/** Who stays one below the limit, and is never blocked. Nothing else gets more out of an address. */
const PATIENT_PER_DAY = (DAY / (BY_ADDRESS.durationSeconds * 1000)) * (BY_ADDRESS.points - 1);
const PATIENT_PACE_MS = (BY_ADDRESS.durationSeconds * 1000) / (BY_ADDRESS.points - 1);

describe('a day of guessing codes', () => {
  let now: number;
  let delays: number;
  let guard: JoinGuard;

  beforeEach(() => {
    [now, delays] = [1_800_000_000_000, 0];
    guard = new JoinGuard({
      limits: new MemoryLimits(() => now),
      failuresOfIp: (ip) => requestOf('join_failures_ip', ip),
      failuresInTotal: requestOf('join_failures_total', 'all'),
      // It costs time, and no guesses: meanwhile others are under way.
      sleep: () => {
        delays += 1;
        return Promise.resolve();
      },
    });
  });

  /** A wrong code; or how long the address has to wait. */
  async function guess(address: number): Promise<number> {
    const ip = `address ${address}`;
    try {
      const looked = await guard.admit(ip);
      await looked.miss();
      looked.end();
    } catch (error) {
      if (error instanceof TandemError && error.code === 'RATE_LIMITED') return error.retryAfterMs ?? 0;
      throw error;
    }
    return 0;
  }

  it('in haste: five guesses, then five minutes of nothing', async () => {
    let guesses = 0;
    for (const end = now + DAY; now < end;) {
      const waitMs = await guess(0);
      if (waitMs === 0) guesses += 1;
      now += waitMs;
    }
    expect(guesses).toBe(HASTY_PER_DAY);
    expect(guesses).toBe(1440);
  });

  it('with patience: four a minute from each address, all day, and not one more', async () => {
    const few = 5;
    let guesses = 0;
    for (const end = now + DAY; now < end; now += PATIENT_PACE_MS) {
      for (let address = 0; address < few; address += 1) {
        if ((await guess(address)) === 0) guesses += 1;
      }
    }
    expect(guesses).toBe(few * PATIENT_PER_DAY);
    expect(guesses / few).toBe(5760);
    // Faster by a second than that, and it ends in the block.
    const waits = [];
    for (let count = 0; count < BY_ADDRESS.points; count += 1, now += PATIENT_PACE_MS - 1000)
      waits.push(await guess(few));
    expect([waits, (await guess(few)) > 4 * MINUTE]).toEqual([[0, 0, 0, 0, 0], true]);
  });

  it('from all addresses at once: every join waits 2 s, and it is four a minute still', async () => {
    let guesses = 0;
    for (const end = now + 2 * MINUTE; now < end; now += PATIENT_PACE_MS) {
      for (let address = 0; address < ADDRESSES; address += 1) if ((await guess(address)) === 0) guesses += 1;
    }
    expect(guesses).toBe((ADDRESSES * PATIENT_PER_DAY * 2 * MINUTE) / DAY);
    // All but those before the deployment had seen enough.
    expect(delays).toBe(guesses - IN_TOTAL.points);
  });

  it('finds one live code in 100,000 guesses where they are densest, and as many fewer as there are fewer', async () => {
    const book = new Set<string>();
    const source = new CodeSource({
      state: { countLiveCodes: () => Promise.resolve(book.size) },
      ...{ minLength: 6, ttlMs: 15 * MINUTE, now: () => now },
    });
    const issue = () =>
      source.tryFresh(({ value }) => Promise.resolve(book.has(value) ? null : (book.add(value), value)));
    const most = Math.floor(SIX_LONG * DENSEST);
    let longer = 0;
    for (let count = 0; count < most; count += 1) if ((await issue()).length > 6) longer += 1;
    expect(longer).toBe(0);
    const live = new Set([...book].map(numberOf));
    // Another one of six would make them denser.
    expect(await issue()).toHaveLength(7);

    // Which codes are guessed makes no difference, because each is as likely; none is guessed twice.
    // A fortieth of the day's: all of them take ten seconds, and found 591 codes where 576 are expected.
    const guesses = (ADDRESSES * PATIENT_PER_DAY) / 40;
    const stride = 120_473_733;
    let hits = 0;
    for (let count = 0, code = 0; count < guesses; count += 1, code = (code + stride) % SIX_LONG) {
      if (live.has(code)) hits += 1;
    }
    const expected = guesses * (most / SIX_LONG);
    expect(Math.abs(hits - expected)).toBeLessThan(6 * Math.sqrt(expected));
  });
});

/** Which of all codes of its length it is. */
function numberOf(code: string): number {
  return Array.from(code).reduce((sum, character) => sum * CODE_ALPHABET.length + CODE_ALPHABET.indexOf(character), 0);
}

function requestOf(name: LimitName, bucket: string): LimitRequest {
  const { scope, points, durationSeconds, blockSeconds } = LIMITS[name];
  return { info: { name, scope, points, durationSeconds }, bucket, blockMs: blockSeconds * 1000 };
}
