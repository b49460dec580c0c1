import { expect, it } from '@jest/globals';
import type { ArchivedHead } from './archived-heads.ts';
import { Keys } from './keys.ts';
import { Restoring } from './restoring.ts';

/** Heads as Redis has them: epoch and seq by session; nothing for one that is missing. */
function staged(held: ReadonlyMap<string, readonly [number, number]>) {
  const keys = new Keys('test');
  const rebuilt: [string, number | null][] = [];
  const restored: string[] = [];
  const faults: unknown[] = [];
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
        if (id === 'broken') return Promise.reject(new Error('a row that nobody can read'));
        return Promise.resolve(id === 'closed meanwhile' ? 'closed' : 'open');
      },
    },
    onRestored: (id) => restored.push(id),
    onFault: (error) => faults.push(error),
  });
  return { restoring, rebuilt, restored, faults };
}

async function* pages(...lists: readonly ArchivedHead[][]): AsyncGenerator<readonly ArchivedHead[]> {
  for (const list of lists) yield await Promise.resolve(list);
}

it('puts back what is behind or of an older epoch before it returns, what is missing after, and leaves the rest alone', async () => {
  const { restoring, rebuilt, restored, faults } = staged(
    new Map([
      ['equal', [1, 7]],
      ['ahead', [1, 9]],
      ['behind', [1, 5]],
      ['older', [1, 9]],
      ['later', [3, 2]],
      ['broken', [1, 2]],
    ]),
  );
  const putBack = await restoring.compare(
    pages(
      ['equal', 'ahead', 'behind', 'missing', 'closed meanwhile'].map((id) => ({ id, epoch: 1, lastSeq: 7 })),
      ['older', 'later'].map((id) => ({ id, epoch: 2, lastSeq: 7 })),
      ['broken'].map((id) => ({ id, epoch: 1, lastSeq: 7 })),
    ),
  );
  expect(rebuilt.sort()).toEqual([
    ['behind', 1],
    ['broken', 1],
    ['older', 1],
  ]);
  // One that cannot be put back keeps nobody from the others.
  expect(faults).toHaveLength(1);
  await putBack();
  expect(rebuilt.slice(3).sort()).toEqual([
    ['closed meanwhile', 1],
    ['missing', 1],
  ]);
  expect(restored.sort()).toEqual(['behind', 'missing', 'older']);
});
