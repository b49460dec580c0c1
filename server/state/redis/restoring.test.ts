import { expect, it } from '@jest/globals';
import { Keys } from './keys.ts';
import { Restoring } from './restoring.ts';

/** Heads as Redis has them: epoch and seq by session; nothing for one that is missing. */
function staged(held: ReadonlyMap<string, readonly [number, number]>) {
  const keys = new Keys('test');
  const rebuilt: [string, number | null][] = [];
  const restored: string[] = [];
  const byKey = new Map([...held].map(([id, head]) => [keys.session(id).flat, head]));
  const restoring = new Restoring({
    redis: {
      run: (_script, names) =>
        Promise.resolve(names.map((name) => [...(byKey.get(name) ?? [null, 0]), 0, 1] as (number | null)[])),
    },
    keys,
    rebuilds: {
      rebuild: (id, epoch) => {
        rebuilt.push([id, epoch]);
        return Promise.resolve(id !== 'closed meanwhile');
      },
    },
    onRestored: (id) => restored.push(id),
  });
  return { restoring, rebuilt, restored };
}

it('puts back what is missing, behind, or of an older epoch, and leaves the rest alone', async () => {
  const { restoring, rebuilt, restored } = staged(
    new Map([
      ['equal', [1, 7]],
      ['ahead', [1, 9]],
      ['behind', [1, 5]],
      ['older', [1, 9]],
      ['later', [3, 2]],
    ]),
  );
  await restoring.compare(
    ['equal', 'ahead', 'behind', 'missing', 'closed meanwhile']
      .map((id) => ({ id, epoch: 1, lastSeq: 7 }))
      .concat(['older', 'later'].map((id) => ({ id, epoch: 2, lastSeq: 7 }))),
  );
  expect(new Map(rebuilt)).toEqual(
    new Map([
      ['behind', 1],
      ['missing', 1],
      ['closed meanwhile', 1],
      ['older', 1],
    ]),
  );
  expect(restored.sort()).toEqual(['behind', 'missing', 'older']);
});
