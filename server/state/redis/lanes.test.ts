import { expect, it } from '@jest/globals';
import { Lanes } from './lanes.ts';

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
