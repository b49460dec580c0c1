import { Writable } from 'node:stream';
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

/** A server in this process, on a free port and a data directory of its own. `stop` rejects when it logged an error. */
export async function startServer(
  env: Environment = {},
  overrides: { now?: () => number } = {},
): Promise<RunningServer> {
  const data = await copyDataDirectory();
  const lines: string[] = [];
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.length > 0) lines.push(chunk.toString());
      done();
    },
  });
  try {
    const loaded = loadConfig(testEnvironment(data.dir, { LOG_LEVEL: 'error', ...env }));
    if (!loaded.ok) throw new Error(`the test's configuration is wrong:\n${loaded.faults.join('\n')}`);
    const server = createServer(loaded.config, { ...overrides, stdout });
    const { port } = await server.start();
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      stop: async () => {
        await server.stop();
        await data.remove();
        // Nothing that a client does, and no stop, is an error of the server.
        if (lines.length > 0) throw new Error(`the server logged errors:\n${lines.join('')}`);
      },
    };
  } catch (error) {
    await data.remove();
    throw error;
  }
}
