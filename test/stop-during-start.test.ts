import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../server/config.ts';
import { createServer } from '../server/server.ts';
import { copyDataDirectory, emptyDataDirectory } from './support/data-directory.ts';
import type { DataDirectory } from './support/data-directory.ts';
import { testEnvironment } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { spawnProcess } from './support/spawned-server.ts';
import type { ServerProcess } from './support/spawned-server.ts';

describe('a server that is told to stop while it starts', () => {
  let data: DataDirectory;
  let scratch: DataDirectory;
  let server: ServerProcess | null = null;

  beforeEach(async () => {
    scratch = await emptyDataDirectory();
  });
  afterEach(async () => {
    server?.signal('SIGKILL');
    await server?.exited;
    server = null;
    await scratch.remove();
    await data.remove();
  });

  /** Starts one whose temporary files lie in a place of their own; resolves when it has made the first of them. */
  async function begin(): Promise<ServerProcess> {
    const starting = (server = spawnProcess(data.dir, { TMPDIR: scratch.dir, LOG_LEVEL: 'debug' }));
    await eventually(async () => {
      if ((await readdir(scratch.dir)).length === 0) throw new Error('it has not begun yet');
    });
    return starting;
  }

  async function expectNothingLeft(stopped: ServerProcess): Promise<void> {
    const code = await stopped.exited;
    const locks = (await readdir(data.dir)).filter((name) => name.startsWith('lock.json'));
    const outcome = { code, locks, scratch: await readdir(scratch.dir), stderr: stopped.stderr() };
    expect(outcome).toEqual({ code: 0, locks: [], scratch: [], stderr: '' });
  }

  // The delays spread the signal over a start, which takes about half a second; each of them is a case, not a wait.
  it.each([0, 30, 100, 200, 300, 450, 600, 900])('%i ms after it began, leaves nothing behind', async (afterMs) => {
    data = await copyDataDirectory();
    const starting = await begin();
    await delay(afterMs);
    starting.signal('SIGTERM');
    await expectNothingLeft(starting);
  });

  it('for the first time ever, leaves nothing behind but a directory that can be used', async () => {
    data = await emptyDataDirectory();
    const starting = await begin();
    await eventually(() => readdir(path.join(data.dir, 'postgres')));
    starting.signal('SIGINT');
    await expectNothingLeft(starting);

    const again = (server = spawnProcess(data.dir, { TMPDIR: scratch.dir }));
    await again.log.next('server_started', ({ event }) => event === 'server_started', 30_000);
    again.signal('SIGTERM');
    await expectNothingLeft(again);
  }, 60_000);

  it('inside another process, closes what the start had opened', async () => {
    data = await copyDataDirectory();
    const loaded = loadConfig(testEnvironment(data.dir, { LOG_LEVEL: 'error' }));
    if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
    const one = createServer(loaded.config);
    const started = one.start().then(
      () => 'started',
      (error: unknown) => String(error),
    );
    await one.stop();
    expect(await started).toContain('told to stop');
    expect(one.address()).toBeNull();
    expect((await readdir(data.dir)).filter((name) => name.startsWith('lock.json'))).toEqual([]);
    // A start after the stop opens nothing.
    const late = createServer(loaded.config);
    await late.stop();
    await expect(late.start()).rejects.toThrow('told to stop');
  });
});
