import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBreakableProxy, type BreakableProxy } from '../../test/support/breakable-proxy.ts';
import { copyDataDirectory, type DataDirectory } from '../../test/support/data-directory.ts';
import { eventually } from '../../test/support/eventually.ts';
import { Stopwatch } from '../../test/support/stopwatch.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts';
import { createPool, type PoolOptions } from './pool.ts';

describe('pool', () => {
  let directory: DataDirectory;
  let postgres: EmbeddedPostgres;
  let proxy: BreakableProxy;
  beforeAll(async () => {
    directory = await copyDataDirectory();
    postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
    proxy = await startBreakableProxy(postgres.connection.host ?? '');
  });
  afterAll(async () => {
    await proxy.close();
    await postgres.stop();
    await directory.remove();
  });

  function pool(options: Partial<PoolOptions> = {}) {
    return createPool({ ...postgres.connection, host: proxy.host }, { max: 2, ...options });
  }

  it('gives a bigint as a number, and refuses one that no number holds', async () => {
    const numbers = pool();
    const big = (text: string) => numbers.query({ name: `big ${text}`, text: `select ${text}::bigint as n` }, []);
    expect(await big('9007199254740991')).toEqual([{ n: 9_007_199_254_740_991 }]);
    await expect(big('9007199254740993')).rejects.toThrow(/9007199254740993/);
    await numbers.end();
  });

  it('tells the name, duration and outcome of each statement', async () => {
    const told: [string, number, boolean][] = [];
    const measured = pool({ onQuery: (...query) => told.push(query) });
    await measured.query({ name: 'good', text: 'select 1' }, []);
    await expect(measured.query({ name: 'bad', text: 'select 1 / 0' }, [])).rejects.toThrow('division by zero');
    await measured.end();
    expect(told.map(([name, , ok]) => [name, ok])).toEqual([
      ['good', true],
      ['bad', false],
    ]);
    for (const [, seconds] of told) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(10);
    }
  });

  it('tells of an idle connection that broke, and replaces it', async () => {
    const errors: Error[] = [];
    const broken = pool({ onIdleError: (error) => errors.push(error) });
    await broken.query({ name: 'one', text: 'select 1' }, []);
    proxy.breakConnections();
    await eventually(() => {
      expect(errors).toHaveLength(1);
      return Promise.resolve();
    });
    expect(await broken.query({ name: 'one', text: 'select 1 as one' }, [])).toEqual([{ one: 1 }]);
    await broken.end();
    await broken.end();
  });

  it('rejects, at once and each time, while there is no server', async () => {
    const nowhere = createPool({ ...postgres.connection, host: `${proxy.host}/nowhere` }, { max: 2 });
    const watch = new Stopwatch();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await expect(nowhere.query({ name: 'one', text: 'select 1' }, [])).rejects.toThrow(/ENOENT/);
    }
    expect(watch.stop()).toBeLessThan(1500);
    await nowhere.end();
  });
});
