import { loadConfig } from '../../server/config.ts';
import { createServer } from '../../server/server.ts';
import { copyDataDirectory } from './data-directory.ts';
import { testEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** A server in this process, on a free port and a data directory of its own. */
export async function startServer(
  env: Environment = {},
  overrides: { now?: () => number } = {},
): Promise<RunningServer> {
  const data = await copyDataDirectory();
  try {
    const loaded = loadConfig(testEnvironment(data.dir, { LOG_LEVEL: 'error', ...env }));
    if (!loaded.ok) throw new Error(`the test's configuration is wrong:\n${loaded.faults.join('\n')}`);
    const server = createServer(loaded.config, overrides);
    const { port } = await server.start();
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      stop: async () => {
        await server.stop();
        await data.remove();
      },
    };
  } catch (error) {
    await data.remove();
    throw error;
  }
}
