/** What a mutant has to be seen in: a few seconds each, and good with a server that is as it should be. */
import { setTimeout as delay } from 'node:timers/promises';
import { limit } from '../../support/environment.ts';
import type { ArenaOptions } from '../arena.ts';
import type { Scenario } from '../scenario.ts';
import { f03 } from '../scenarios/f03-redis-emptied.ts';
import { f16 } from '../scenarios/f16-ack-lost.ts';
import { putOutOfPair } from './put-out-of-pair.ts';

/** A mutant that breaks something is waited for no longer than it takes to be sure. */
const SETTLE_MS = 10_000;

/** How busy the machine is with other work says nothing of the checker. */
const UNHURRIED = { maxLoopLagMs: 10_000 };

function few(instances: number, own: Partial<ArenaOptions> = {}): Scenario['arena'] {
  return (hotState) => ({ hotState, instances, pairs: 2, perSecond: 60, settleMs: SETTLE_MS, ...own });
}

export const talk: Scenario = {
  name: 'TALK',
  what: 'two conversations across two instances, and no fault',
  hotStates: ['redis'],
  arena: few(2),
  expected: UNHURRIED,
  run: (arena) => arena.acknowledgements(150),
};

/** As long as two looks at the memory of a process. */
export const longTalk: Scenario = {
  ...talk,
  name: 'LONG TALK',
  arena: few(1),
  async run(arena) {
    await arena.acknowledgements(60);
    await delay(7_000);
  },
};

export const lostAnswers: Scenario = { ...f16, name: 'LOST ANSWERS', arena: few(2), expected: UNHURRIED };

export const emptied: Scenario = {
  ...f03,
  name: 'EMPTIED',
  arena: few(2, { redis: { appendonly: false } }),
  expected: { ...f03.expected, ...UNHURRIED },
  run: (arena, random, options) => f03.run(arena, random, { ...options, count: 1 }),
};

const POINTS = 8;
const DURATION_SECONDS = 2;

export const limited: Scenario = {
  ...talk,
  name: 'LIMITED',
  what: 'everybody says more than the limit of one participant lets through',
  arena: few(2, { perSecond: 24, env: limit('messages_user', { points: POINTS, durationSeconds: DURATION_SECONDS }) }),
  expected: { ...UNHURRIED, limit: { points: POINTS, durationMs: DURATION_SECONDS * 1000, burst: 1 } },
  run: (arena) => arena.acknowledgements(70),
};

export const kicked: Scenario = {
  ...talk,
  name: 'KICKED',
  what: 'a guest is put out in the middle of a conversation',
  arena: few(1),
  async run(arena) {
    await arena.acknowledgements(40);
    await putOutOfPair(arena);
    await delay(1_500);
  },
};
