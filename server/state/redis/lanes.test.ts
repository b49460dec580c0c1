import { describe, expect, it } from '@jest/globals';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import { Lanes, type Turn } from './lanes.ts';

interface Work {
  readonly run: () => Promise<string>;
  readonly end: () => void;
  readonly fail: () => void;
}

function workshop() {
  const order: string[] = [];
  const work = (name: string): Work => {
    let end: () => void = () => undefined;
    let fail: () => void = () => undefined;
    const gate = new Promise<void>((resolve, reject) => {
      end = resolve;
      fail = () => reject(new Error(name));
    });
    const run = async () => {
      order.push(`+${name}`);
      await gate;
      order.push(`-${name}`);
      return name;
    };
    return { run, end, fail };
  };
  return { order, work };
}

const turns = () => new Promise((resolve) => void setImmediate(resolve));

it('a change waits for everything before it, and everything after it waits for the change', async () => {
  const { order, work } = workshop();
  const lanes = new Lanes();
  const [a, b, change, c, d, other] = ['a', 'b', 'change', 'c', 'd', 'other'].map(work) as [
    Work,
    Work,
    Work,
    Work,
    Work,
    Work,
  ];
  const all = [
    ...[lanes.together('one', a.run), lanes.together('one', b.run), lanes.alone('one', change.run)],
    ...[lanes.together('one', c.run), lanes.together('one', d.run), lanes.alone('two', other.run)],
  ];
  await turns();
  expect(order).toEqual(['+a', '+b', '+other']);
  a.end();
  await turns();
  expect(order).toEqual(['+a', '+b', '+other', '-a']);
  b.end();
  await turns();
  expect(order.slice(4)).toEqual(['-b', '+change']);
  change.end();
  await turns();
  expect(order.slice(6)).toEqual(['-change', '+c', '+d']);
  for (const { end } of [c, d, other]) end();
  expect(await Promise.all(all)).toEqual(['a', 'b', 'change', 'c', 'd', 'other']);
});

it('what fails concerns its caller alone', async () => {
  const { order, work } = workshop();
  const lanes = new Lanes();
  const [first, second] = [work('first'), work('second')];
  const failed = lanes.alone('one', first.run);
  const done = lanes.alone('one', second.run);
  first.fail();
  await expect(failed).rejects.toThrow('first');
  second.end();
  expect(await done).toBe('second');
  expect(order).toEqual(['+first', '+second', '-second']);
});

it('changes run one after the other, and beside them nothing', async () => {
  const lanes = new Lanes();
  let running = 0;
  let alone = 0;
  const seen: number[] = [];
  const jobs = Array.from({ length: 200 }, (_, index) => {
    const isAlone = index % 7 === 0;
    const run = async () => {
      running += 1;
      if (isAlone) alone += 1;
      if (alone > 0) seen.push(running);
      await turns();
      running -= 1;
      if (isAlone) alone -= 1;
    };
    return isAlone ? lanes.alone('one', run) : lanes.together('one', run);
  });
  await Promise.all(jobs);
  expect(new Set(seen)).toEqual(new Set([1]));
});

const seed = seedOfRun();

describe(`at random (seed ${seed})`, () => {
  /** A piece of work as the rule has it: what must be done before it begins, and what became of it. */
  interface Piece {
    readonly name: string;
    readonly isAlone: boolean;
    readonly before: readonly Piece[];
    readonly end: () => void;
    state: 'waiting' | 'running' | 'done';
  }

  it('each begins when all that it must wait for is done, at once then, and never before', async () => {
    const random = new Random(seed);
    for (let round = 0; round < 30; round += 1) {
      const lanes = new Lanes();
      const pieces: Piece[] = [];
      const began: string[] = [];
      for (let turn = 0; turn < 40; turn += 1) {
        const running = pieces.filter(({ state }) => state === 'running');
        if (pieces.length < 25 && random.below(5) < 3)
          pieces.push(ask(random, lanes, `${pieces.length}`, pieces, began));
        else if (running.length > 0) {
          const piece = random.pick(running);
          piece.end();
          piece.state = 'done';
        }
        // At times several things happen before any of them shows.
        if (random.below(4) > 0) await settle(pieces, began);
      }
      for (let left = pieces.length; left > 0; left -= 1) {
        await settle(pieces, began);
        for (const piece of pieces.filter(({ state }) => state === 'running')) {
          piece.end();
          piece.state = 'done';
        }
      }
      expect(pieces.filter(({ state }) => state !== 'done')).toEqual([]);
    }
  });

  /** Asked for in one of the three ways; it waits for all changes before it, and a change for everything. */
  function ask(random: Random, lanes: Lanes, name: string, pieces: readonly Piece[], began: string[]): Piece {
    let end: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (end = resolve));
    const run = async () => {
      began.push(name);
      await gate;
      if (random.below(3) === 0) throw new Error(name);
    };
    const isAlone = random.below(4) === 0;
    const before = pieces.filter((piece) => piece.state !== 'done' && (isAlone || piece.isAlone));
    const work = isAlone
      ? lanes.alone('one', run)
      : random.below(2) === 0
        ? lanes.together('one', run)
        : joined(lanes.join('one'), run);
    work.catch(() => undefined);
    return { name, isAlone, before, end, state: 'waiting' };
  }

  async function joined({ before, leave }: Turn, run: () => Promise<void>): Promise<void> {
    try {
      if (before !== null) await before;
      await run();
    } finally {
      leave();
    }
  }

  async function settle(pieces: readonly Piece[], began: readonly string[]): Promise<void> {
    await turns();
    for (const piece of pieces) {
      if (piece.state === 'waiting' && piece.before.every(({ state }) => state === 'done')) piece.state = 'running';
    }
    const mustHaveBegun = pieces.filter(({ state }) => state !== 'waiting').map(({ name }) => name);
    // In the order in which they were asked for, those too that run together.
    expect(began).toEqual(mustHaveBegun);
  }
});
