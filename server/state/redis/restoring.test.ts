import { expect, it } from '@jest/globals';
import type { StoredHead } from '../../sessions/ports.ts';
import { Keys } from './keys.ts';
import { Restoring } from './restoring.ts';

/** Heads as Redis has them: epoch, seq and version by session; nothing for one that is missing. */
function staged(held: ReadonlyMap<string, readonly [number, number, number]>, open: readonly string[] = []) {
  const keys = new Keys('test');
  const rebuilt: [string, number | null][] = [];
  const restored: string[] = [];
  const faults: unknown[] = [];
  const asked: string[] = [];
  const byKey = new Map([...held].map(([id, head]) => [keys.session(id).flat, head]));
  const restoring = new Restoring({
    redis: {
      run: ({ name }, names) => {
        if (name === 'read_open') return Promise.resolve(open.filter((id) => keys.partitionOf(id).due === names[0]));
        const heads = names.map((key) => byKey.get(key) ?? [null, 0, 0]);
        return Promise.resolve(heads.map(([epoch, seq, version]) => [epoch, seq, 0, version]));
      },
    },
    keys,
    durable: {
      closedAmong: (ids) => {
        asked.push(...ids);
        return Promise.resolve(ids.filter((id) => id.startsWith('ended')).map((id) => ({ id, epoch: 4 })));
      },
    },
    clock: () => '',
    rebuilds: {
      rebuild: (id, epoch) => {
        rebuilt.push([id, epoch]);
        if (id === 'broken') return Promise.reject(new Error('a row that nobody can read'));
        return Promise.resolve(id.startsWith('ended') || id === 'closed meanwhile' ? 'closed' : 'open');
      },
    },
    onRestored: (id) => restored.push(id),
    onFault: (error) => faults.push(error),
  });
  return { restoring, rebuilt, restored, faults, asked };
}

async function* pages(...lists: readonly StoredHead[][]): AsyncGenerator<readonly StoredHead[]> {
  for (const list of lists) yield await Promise.resolve(list);
}

const head = (id: string, epoch: number): StoredHead => ({ id, epoch, lastSeq: 7, version: 3 });

it('puts back what is behind or of an older epoch before it returns, what is missing after, and leaves the rest alone', async () => {
  const { restoring, rebuilt, restored, faults } = staged(
    new Map([
      ['equal', [1, 7, 3]],
      ['ahead', [1, 9, 5]],
      ['behind', [1, 5, 3]],
      ['changed less', [1, 7, 2]],
      ['older', [1, 9, 9]],
      ['later', [3, 2, 1]],
      ['broken', [1, 2, 3]],
    ]),
  );
  const putBack = await restoring.compare(
    pages(
      ['equal', 'ahead', 'behind', 'changed less', 'missing', 'closed meanwhile'].map((id) => head(id, 1)),
      ['older', 'later'].map((id) => head(id, 2)),
      ['broken'].map((id) => head(id, 1)),
    ),
  );
  // Under the epoch of the archive: whatever Redis has forgotten was done under that one at the latest.
  expect(rebuilt.sort()).toEqual([
    ['behind', 1],
    ['broken', 1],
    ['changed less', 1],
    ['older', 2],
  ]);
  // One that cannot be put back keeps nobody from the others.
  expect(faults).toHaveLength(1);
  await putBack();
  expect(rebuilt.slice(4).sort()).toEqual([
    ['closed meanwhile', 1],
    ['missing', 1],
  ]);
  expect(restored.sort()).toEqual(['behind', 'changed less', 'missing', 'older']);
});

it('closes again what Redis takes for open and the archive does not, and asks for no more than those', async () => {
  const { restoring, rebuilt, restored, asked } = staged(new Map([['equal', [1, 7, 3]]]), [
    ...['equal', 'ended', 'ended too', 'not archived yet'],
  ]);
  await restoring.compare(pages([head('equal', 1)]));
  expect(asked.sort()).toEqual(['ended', 'ended too', 'not archived yet']);
  expect(rebuilt.sort()).toEqual([
    ['ended too', 4],
    ['ended', 4],
  ]);
  expect(restored).toEqual([]);
});
