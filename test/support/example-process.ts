import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { within } from './deadline.ts';
import { Mailbox } from './mailbox.ts';

const run = path.resolve(import.meta.dirname, '../../examples/run.js');
const START_DEADLINE_MS = 30_000;
const EXIT_DEADLINE_MS = 20_000;

/** Not its word but ours: the end of what it said. */
const EXITED = 'process exited';

/** An example as `npm run example` starts it. */
export interface RunningExample {
  /** Address of its page, without a slash at the end. */
  readonly url: string;
  readonly tandemUrl: string;
  /** What it said, line by line. */
  readonly lines: readonly string[];
  /** Asks it to stop; resolves with its exit code and what it left in the directory for temporary files. */
  stop(): Promise<{ code: number | null; leftOver: string[] }>;
}

export async function startExample(
  name: string,
  options: { args?: string[]; tandemUrl?: string } = {},
): Promise<RunningExample> {
  const temporary = await mkdtemp(path.join(tmpdir(), 'tandem-test-example-'));
  const child = spawn(process.execPath, [run, name, ...(options.args ?? [])], {
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: temporary, TANDEM_URL: options.tandemUrl ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = new Mailbox<string>((line) => line);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => said.put(line));
  }
  const exited = once(child, 'close').then(() => said.put(EXITED));
  const stop = async () => {
    child.kill();
    await within(EXIT_DEADLINE_MS, () => `the example goes on after SIGTERM:\n${said.all.join('\n')}`, exited);
    const leftOver = await readdir(temporary);
    await rm(temporary, { recursive: true, force: true });
    return { code: child.exitCode, leftOver };
  };
  const addressAfter = async (label: string) => {
    const isNews = (line: string) => line.startsWith(label) || line === EXITED;
    const line = await said.next(label, isNews, START_DEADLINE_MS);
    if (line === EXITED) throw new Error(`the example ended before it had started:\n${said.all.join('\n')}`);
    return new URL(line.slice(label.length).trim()).origin;
  };
  try {
    const url = await addressAfter('Example:');
    return { url, tandemUrl: await addressAfter('Tandem:'), lines: said.all, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
