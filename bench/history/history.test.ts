import { describe, expect, it } from '@jest/globals';
import { indexesMadeBy, migrationsFrom } from './index-migration.ts';
import { sessionSizes } from './session-sizes.ts';

describe('the sizes of sessions', () => {
  it.each([
    [100_000, 1_000_000],
    [1_000, 10_007],
    [30, 1],
  ])('of %i sessions add up to %i messages', (sessions, messages) => {
    const sizes = sessionSizes(sessions, messages);
    expect(sizes).toHaveLength(sessions);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(messages);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(0);
  });

  it('are thousands for some, hundreds for more, and a few or nothing for most', () => {
    const sizes = sessionSizes(100_000, 1_000_000);
    const above = (size: number) => sizes.filter((own) => own > size).length;
    expect([above(3000), above(100), above(20)]).toEqual([20, 1020, 1020]);
    expect(sizes.filter((size) => size === 0).length).toBeGreaterThanOrEqual(10_000);
  });
});

describe('the migration of indexes', () => {
  it('is read for what it makes, and not for what it drops', () => {
    const sql =
      'create index if not exists one on a (b);\n-- create index if not exists no on\ndrop index if exists two;\n';
    expect(indexesMadeBy(`${sql}create unique index if not exists three on c (d);`)).toEqual(['one', 'three']);
  });

  it('is found among the files, and makes the index of a user’s sessions', async () => {
    const [file] = await migrationsFrom('indexes');
    expect(indexesMadeBy(file?.sql ?? '')).toContain('participants_user');
  });
});
