import { Writable } from 'node:stream';
import { loadConfig } from '../../server/config.ts';
import { createServer } from '../../server/server.ts';
import { copyDataDirectory, emptyDataDirectory } from './data-directory.ts';
import { testEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { inHaste } from './hasty-wasm.ts';
import { sharedStores } from './shared-stores.ts';

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

export interface ServerOptions {
  now?: () => number;
  /** Refuses connections when the event loop is late. It is that of the tests too, and a busy machine makes it late. */
  watchesOverload?: boolean;
  /** Events that it may log as errors: those of the outages that the test brings about. */
  errors?: readonly string[];
}

/** A server in this process, on a free port and a data directory of its own. `stop` rejects when it logged an error. */
export async function startServer(
  env: Environment = {},
  { errors = [], watchesOverload = false, ...overrides }: ServerOptions = {},
): Promise<RunningServer> {
  // One that has another database looks at no file of the embedded one.
  const data = await (hasDatabase(env) ? emptyDataDirectory() : copyDataDirectory());
  const lines: string[] = [];
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.length > 0) lines.push(chunk.toString());
      done();
    },
  });
  try {
    const loaded = loadConfig(
      testEnvironment(data.dir, { LOG_LEVEL: 'error', ...sharedStores(data.dir, env), ...env }),
    );
    if (!loaded.ok) throw new Error(`the test's configuration is wrong:\n${loaded.faults.join('\n')}`);
    const server = createServer(loaded.config, {
      ...overrides,
      ...(watchesOverload ? {} : { isOverloaded: () => false }),
      stdout,
    });
    const { port } = await inHaste(() => server.start());
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      stop: async () => {
        await server.stop();
        await data.remove();
        // Nothing that a client does, and no stop, is an error of the server.
        const faults = lines
          .join('')
          .split('\n')
          .filter((line) => line !== '' && !errors.includes(eventOf(line)));
        if (faults.length > 0) throw new Error(`the server logged errors:\n${faults.join('\n')}`);
      },
    };
  } catch (error) {
    await data.remove();
    throw error;
  }
}

function hasDatabase({ DATABASE_URL = '', SUPABASE_URL = '' }: Environment): boolean {
  return DATABASE_URL !== '' || SUPABASE_URL !== '';
}

function eventOf(line: string): string {
  const { event } = JSON.parse(line) as { event?: unknown }; // LOG_FORMAT is json.
  return String(event);
}
