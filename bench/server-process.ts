import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { hasKey } from './engine/frames.ts';

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;
const READY_POLL_MS = 5;
const KEPT_OUTPUT_CHARACTERS = 4_000;

export interface ServerCommand {
  /** JavaScript file, run by plain Node.js: a loader would be part of the figures. */
  script: string;
  env: Record<string, string>;
  /** Directory without a `.env`, so that nobody's own settings change the figures. */
  cwd: string;
  /** Path that answers 200 once the server is ready; null when `server_started` says all. */
  readyPath: string | null;
  /** Gives up the start. A server that runs is ended by its `stop` alone. */
  signal: AbortSignal;
  /** The processors that it may use, as `taskset` takes them; all unless given. */
  cpus?: string | null;
}

export interface RunningServer {
  pid: number;
  /** `host:port`. */
  address: string;
  /** From the start of the process to its first 200 on `readyPath`, or to `server_started`. */
  readyMs: number;
  /** The exit code, once the process has ended; null when a signal ended it. */
  exited: Promise<number | null>;
  /** SIGTERM, and SIGKILL when that does not end it in 30 s. */
  stop(): Promise<void>;
  /** SIGKILL: no orderly stop. */
  kill(): Promise<void>;
}

/** Starts a server on a free port; the port comes from its JSON log line `server_started` on stdout. */
export async function startServer(command: ServerCommand): Promise<RunningServer> {
  const startedAt = performance.now();
  const { cpus = null } = command;
  // taskset becomes the program that it starts, so the process is the server's from the beginning.
  const [program, ...first] = cpus === null ? [process.execPath] : ['taskset', '-c', cpus, process.execPath];
  const child = spawn(program, [...first, command.script], {
    cwd: command.cwd,
    env: command.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  // Who awaits `exited` sees the failure; until somebody does, it must not count as unhandled.
  exited.catch(() => undefined);
  const patience = AbortSignal.any([command.signal, AbortSignal.timeout(START_DEADLINE_MS)]);
  try {
    const port = await startedPort(child, exited, patience);
    const address = `127.0.0.1:${port}`;
    if (command.readyPath !== null) await answers200(`http://${address}${command.readyPath}`, patience);
    const readyMs = performance.now() - startedAt;
    return {
      pid: child.pid ?? 0,
      address,
      readyMs,
      exited: exited.then(() => child.exitCode),
      stop: () => end(child, exited, 'SIGTERM'),
      kill: () => end(child, exited, 'SIGKILL'),
    };
  } catch (error) {
    await end(child, exited, 'SIGKILL').catch(() => undefined);
    throw error;
  }
}

function startedPort(child: ChildProcess, exited: Promise<unknown[]>, patience: AbortSignal): Promise<number> {
  let output = '';
  const keep = (line: string): void => {
    output = `${output}${line}\n`.slice(-KEPT_OUTPUT_CHARACTERS);
  };
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => reject(new Error(`${what}. Its last output:\n${output}`));
    patience.addEventListener('abort', () => fail(`the server did not start: ${String(patience.reason)}`));
    exited.then(
      ([code]) => fail(`the server ended with exit code ${String(code)} before it had started`),
      (error: unknown) => fail(`the server could not be run: ${String(error)}`),
    );
    // Both streams are read to the end: a full pipe would block the server.
    if (child.stderr) createInterface(child.stderr).on('line', keep);
    if (child.stdout) {
      createInterface(child.stdout).on('line', (line) => {
        keep(line);
        const port = portOf(line);
        if (port !== null) resolve(port);
      });
    }
  });
}

function portOf(line: string): number | null {
  if (!line.includes('server_started')) return null;
  try {
    const entry: unknown = JSON.parse(line);
    const isStart = hasKey(entry, 'event') && entry.event === 'server_started';
    return isStart && hasKey(entry, 'port') && typeof entry.port === 'number' ? entry.port : null;
  } catch {
    // A line of text that happens to hold the word.
    return null;
  }
}

async function answers200(url: string, patience: AbortSignal): Promise<void> {
  for (;;) {
    const response = await fetch(url, { signal: patience });
    await response.arrayBuffer();
    if (response.status === 200) return;
    await delay(READY_POLL_MS, undefined, { signal: patience });
  }
}

async function end(child: ChildProcess, exited: Promise<unknown[]>, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const lastResort = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  try {
    await exited;
  } finally {
    clearTimeout(lastResort);
  }
}
