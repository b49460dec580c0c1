import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { within } from './deadline.ts';
import { testEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { HASTY_WASM } from './hasty-wasm.ts';
import { Mailbox } from './mailbox.ts';
import { sharedStores } from './shared-stores.ts';

const entry = path.resolve(import.meta.dirname, '../../dist/server/main.js');
const START_DEADLINE_MS = 60_000;
const EXIT_DEADLINE_MS = 40_000;

/** Not the server's word but ours: the end of its log. */
const PROCESS_EXITED = 'process exited';

export type LogLine = Record<string, unknown>;
export type Signal = 'SIGTERM' | 'SIGINT' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';

/** The built server as a process of its own: what a test can kill. */
export interface ServerProcess {
  readonly pid: number;
  /** Everything it said on stdout, one object per line; a line that is no JSON is `{ text }`. */
  readonly log: Mailbox<LogLine>;
  /** What `log` is read from, for whoever closes it or reads no more. */
  readonly stdout: Readable;
  stderr(): string;
  isRunning(): boolean;
  signal(name: Signal): void;
  /** Exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

export interface SpawnedServer extends ServerProcess {
  readonly port: number;
  readonly url: string;
  /** Ends it without any chance to say goodbye; resolves when it is gone. */
  kill9(): Promise<void>;
  /** Asks it to stop; resolves with the exit code. */
  sigterm(): Promise<number | null>;
}

/**
 * Starts the process and does not wait for anything: for servers that must refuse to start. `main` may be that of another
 * build.
 */
export function spawnProcess(dataDir: string, env: Environment = {}, main = entry): ServerProcess {
  if (!existsSync(main)) throw new Error(`${main} is missing: run "npm run build" before this test`);
  const child = spawn(process.execPath, [HASTY_WASM, main], {
    // Elsewhere than the project, so that no .env of the developer's takes part.
    cwd: dataDir,
    // Temporary files lie in the test's own directory: what a killed process leaves behind goes with it.
    env: {
      PATH: process.env['PATH'] ?? '',
      TMPDIR: dataDir,
      ...testEnvironment(dataDir, { ...sharedStores(dataDir, env), ...env }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = new Mailbox<LogLine>((line) => JSON.stringify(line));
  createInterface({ input: child.stdout }).on('line', (line) => log.put(parseLine(line)));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-20_000);
  });
  // 'close' and not 'exit': then all that it wrote is here.
  const exited = once(child, 'close').then(() => {
    log.put({ event: PROCESS_EXITED, code: child.exitCode });
    return child.exitCode;
  });
  return {
    pid: child.pid ?? -1,
    log,
    stdout: child.stdout,
    stderr: () => stderr,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    signal: (name) => {
      child.kill(name);
    },
    exited,
  };
}

export async function spawnServer(dataDir: string, env: Environment = {}, main = entry): Promise<SpawnedServer> {
  const server = spawnProcess(dataDir, env, main);
  const exit = () => within(EXIT_DEADLINE_MS, () => 'the server was told to end and did not', server.exited);
  const first = await server.log.next('server_started', isStartOrExit, START_DEADLINE_MS).catch((error: unknown) => {
    server.signal('SIGKILL');
    throw error;
  });
  if (first['event'] !== 'server_started') {
    throw new Error(`the server ended before it had started:\n${server.stderr()}\n${said(server)}`);
  }
  const port = portOf(first);
  return {
    ...server,
    port,
    url: `http://127.0.0.1:${port}`,
    kill9: async () => {
      server.signal('SIGKILL');
      await exit();
    },
    sigterm: async () => {
      server.signal('SIGTERM');
      return exit();
    },
  };
}

function isStartOrExit(line: LogLine): boolean {
  return line['event'] === 'server_started' || line['event'] === PROCESS_EXITED;
}

function parseLine(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as LogLine;
  } catch {
    // Not ours to judge: the text is kept for whoever reads the failure.
  }
  return { text: line };
}

function portOf(line: LogLine): number {
  const port = line['port'];
  if (typeof port !== 'number') throw new Error(`expected a port in server_started, received ${JSON.stringify(line)}`);
  return port;
}

function said(server: ServerProcess): string {
  return server.log.all.map((line) => JSON.stringify(line)).join('\n');
}
