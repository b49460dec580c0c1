import { ServerResponse, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS, type LimitName } from '../../../protocol/limits.ts';
import type { LimitRules } from '../../limits/limit-rules.ts';
import { MemoryLimits } from '../../state/memory/memory-limits.ts';
import type { Caller } from './caller.ts';
import { createCountRequest, type RequestEnd, type Tier } from './tier.ts';

const STRANGER: Caller = { ip: { address: '192.0.2.1', bucket: '192.0.2.1' }, identity: null, keyName: null };
const rules = Object.fromEntries(
  (Object.keys(LIMITS) as LimitName[]).map((name) => {
    const { scope, points, durationSeconds, blockSeconds } = LIMITS[name];
    return [name, { name, scope, points, durationMs: durationSeconds * 1000, blockMs: blockSeconds * 1000 }];
  }),
) as LimitRules; // One for each name.

let now: number;
let request: (tier: Tier, end: RequestEnd) => Promise<string>;
let headers: ServerResponse;

beforeEach(() => {
  now = 1_800_000_000_000;
  const count = createCountRequest({ limits: new MemoryLimits(() => now), rules, now: () => now });
  request = async (tier, end) => {
    headers = new ServerResponse(new IncomingMessage(new Socket()));
    try {
      const settle = await count(headers, tier, STRANGER);
      await settle(end);
      return 'taken';
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  };
});

const times = (count: number, tier: Tier, end: RequestEnd) =>
  Array.from({ length: count }).reduce<Promise<string[]>>(
    async (before) => [...(await before), await request(tier, end)],
    Promise.resolve([]),
  );

describe('a request with credentials', () => {
  it('counts when it is answered or wrong, and not when nothing was tried or nobody can tell', async () => {
    await times(20, 'auth', 'void');
    expect(headers.getHeader('X-RateLimit-Remaining')).toBe(5);
    expect(new Set(await times(3, 'auth', 'failed'))).toEqual(new Set(['taken']));
    expect(new Set(await times(2, 'auth', 'answered'))).toEqual(new Set(['taken']));
    expect(await request('auth', 'void')).toBe('RATE_LIMITED');
    now += 899_999;
    expect(await request('auth', 'answered')).toBe('RATE_LIMITED');
    now += 1;
    expect(await request('auth', 'answered')).toBe('taken');
  });

  it('that can only be right or made up counts when it is wrong', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => request('caller_and_misses', 'answered')));
    expect(new Set(answers)).toEqual(new Set(['taken']));
    // It is a request as any other, and counted apart from them.
    expect(headers.getHeader('RateLimit')).toBe('"general";r=50;t=900');
    await times(100, 'caller', 'answered');
    expect(new Set(await times(5, 'caller_and_misses', 'failed'))).toEqual(new Set(['taken']));
    expect(headers.getHeader('RateLimit')).toBe('"auth";r=0;t=900');
    // It blocks from here on.
    now += 800_000;
    expect(await request('caller_and_misses', 'answered')).toBe('RATE_LIMITED');
    now += 900_000;
    expect(await times(100, 'caller_and_misses', 'answered')).toEqual(Array.from({ length: 100 }, () => 'taken'));
    expect(await request('caller_and_misses', 'answered')).toBe('RATE_LIMITED');
    expect(headers.getHeader('RateLimit')).toBe('"general";r=0;t=900');
  });

  it('is not refused because others of its address have just signed in', async () => {
    await times(5, 'auth', 'answered');
    expect(await request('caller_and_misses', 'answered')).toBe('taken');
    // Nor do those who refresh keep anybody from signing in longer than it takes.
    now += 900_000;
    expect(await request('auth', 'answered')).toBe('taken');
  });
});

it('any other request counts, however it ends', async () => {
  await times(100, 'caller', 'void');
  expect(headers.getHeader('X-RateLimit-Remaining')).toBe(0);
  expect(await request('caller', 'answered')).toBe('RATE_LIMITED');
  expect(await request('none', 'answered')).toBe('taken');
  expect(headers.getHeader('RateLimit')).toBeUndefined();
});
