import { afterAll, beforeAll, expect } from '@jest/globals';
import { copyDataDirectory } from './data-directory.ts';
import type { Environment } from './environment.ts';
import { spawnServer } from './spawned-server.ts';
import type { SpawnedServer } from './spawned-server.ts';

export interface SpawnedStage {
  readonly url: string;
  readonly server: SpawnedServer;
}

/**
 * One server process for the tests of a block. After them it must still be the same process, must have logged no fault
 * of its own, and must end cleanly.
 */
export function stageSpawnedServer(env: Environment = {}): SpawnedStage {
  let data: { dir: string; remove(): Promise<void> } | undefined;
  let server: SpawnedServer | undefined;

  beforeAll(async () => {
    data = await copyDataDirectory();
    server = await spawnServer(data.dir, env);
  }, 60_000);
  afterAll(async () => {
    if (server === undefined) {
      // It did not start, and beforeAll has said so.
      await data?.remove();
      return;
    }
    const wasRunning = server.isRunning();
    const code = await server.sigterm();
    await data?.remove();
    expect({ wasRunning, code, stderr: server.stderr() }).toEqual({ wasRunning: true, code: 0, stderr: '' });
    expect(server.log.all.filter(({ level }) => String(level).toLowerCase() === 'error')).toEqual([]);
  }, 60_000);

  function running(): SpawnedServer {
    if (server === undefined) throw new Error('the server starts before the first test of the block, not earlier');
    return server;
  }
  return {
    get url() {
      return running().url;
    },
    get server() {
      return running();
    },
  };
}
