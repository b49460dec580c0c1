import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { copyDataDirectory } from './data-directory.ts';
import { Mailbox } from './mailbox.ts';
import { spawnServer } from './spawned-server.ts';
import type { SpawnedServer } from './spawned-server.ts';

const root = path.join(import.meta.dirname, '../..');
const example =
  /^```js run-by=readme\n(.*?)^```$/ms.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))?.[1] ?? '';
const ADDRESS = 'http://127.0.0.1:3001';
/** A stock client waits up to 5 s between two attempts to come back. */
const LINE_DEADLINE_MS = 20_000;

/** The client of the README as a process: what it prints, and a way to type. */
interface Chat {
  readonly printed: readonly string[];
  /** The next line that it prints, read or not yet, in the order of printing. */
  prints(line: string | RegExp): Promise<string>;
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
}

const owned: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const release of owned.splice(0).reverse()) await release();
});

function startChat(url: string, ...args: string[]): Chat {
  const program = example.replace(ADDRESS, url);
  // The first argument stands where the name of the file would: -e has none.
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, 'chat.mjs', ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  owned.push(() => stopChat(child));
  const printed = new Mailbox<string>((line) => line);
  createInterface({ input: child.stdout }).on('line', (line) => printed.put(line));
  return {
    printed: printed.all,
    prints: (wanted) => {
      const matches = (line: string) => (typeof wanted === 'string' ? line === wanted : wanted.test(line));
      return printed.next(String(wanted), matches, LINE_DEADLINE_MS);
    },
    process: child,
  };
}

async function stopChat(child: Chat['process']): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

async function startOwnServer(dataDir: string, port = 0): Promise<SpawnedServer> {
  const server = await spawnServer(dataDir, { PORT: String(port) });
  owned.push(async () => {
    if (server.isRunning()) await server.kill9();
  });
  return server;
}

describe("the README's example", () => {
  it('pairs, talks, and goes on after the server was killed and started again', async () => {
    expect(example).toContain(ADDRESS);
    const data = await copyDataDirectory();
    owned.push(() => data.remove());
    const server = await startOwnServer(data.dir);

    const host = startChat(server.url);
    const announced = await host.prints(/^code: /);
    const guest = startChat(server.url, announced.slice('code: '.length));
    await guest.prints('joined');
    host.process.stdin.write('one\n');
    await guest.prints('> one');

    await server.kill9();
    guest.process.stdin.write('two\n');
    await startOwnServer(data.dir, server.port);
    host.process.stdin.write('three\n');
    await host.prints('> two');
    await guest.prints('> three');

    host.process.stdin.end('four\n');
    await guest.prints('> four');
    expect(guest.printed.filter((line) => line.startsWith('>'))).toEqual(['> one', '> three', '> four']);
    expect(host.printed.filter((line) => line.startsWith('>'))).toEqual(['> two']);
  }, 60_000);
});
