import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { startServer } from './support/server.ts';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const run = promisify(execFile);

const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
  version: string;
  devDependencies: Record<string, string>;
};

/** What a bundler finds in a module: names of its exports, and all that it takes from elsewhere. */
async function looked(file: string): Promise<{ exports: string[]; imports: string[] }> {
  const { metafile } = await build({
    entryPoints: [file],
    bundle: true,
    packages: 'external',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const outputs = Object.values(metafile.outputs);
  const others = Object.keys(metafile.inputs).filter((input) => path.resolve(input) !== file);
  return {
    exports: outputs.flatMap((output) => output.exports).toSorted(),
    imports: [...new Set([...others, ...outputs.flatMap((output) => output.imports.map((entry) => entry.path))])],
  };
}

/** As it is, without what stands beside it. */
async function lookedBeside(file: string): Promise<{ exports: string[]; imports: string[] }> {
  const { metafile } = await build({
    entryPoints: [file],
    bundle: true,
    external: ['./*'],
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const outputs = Object.values(metafile.outputs);
  return {
    exports: outputs.flatMap((output) => output.exports),
    imports: [...new Set(outputs.flatMap((output) => output.imports.map((entry) => entry.path)))],
  };
}

describe('the client library for browsers', () => {
  const file = path.join(dist, 'web/client/tandem.js');

  it('is at most 25 KiB on its way', async () => {
    const bytes = gzipSync(await readFile(file), { level: 9 }).length;
    expect(bytes).toBeLessThanOrEqual(25 * 1024);
    // Less than Socket.IO's client alone would be an empty build.
    expect(bytes).toBeGreaterThan(10 * 1024);
  });

  it('is one module that imports nothing, with a source map beside it', async () => {
    const { exports, imports } = await looked(file);
    expect(imports).toEqual([]);
    expect(exports).toEqual(
      expect.arrayContaining(['TandemClient', 'TandemError', 'ERRORS', 'formatCode', 'parseCode']),
    );
    expect((await readFile(file, 'utf8')).trimEnd().split('\n').at(-1)).toBe('//# sourceMappingURL=tandem.js.map');
    const map = JSON.parse(await readFile(`${file}.map`, 'utf8')) as { sources: string[] };
    expect(map.sources).toEqual(expect.arrayContaining([expect.stringMatching(/(^|\/)client\/client\.ts$/)]));
  });

  it('lies compressed beside itself', async () => {
    const names = ['account.js', 'tandem.js'].flatMap((name) => [
      name,
      ...['br', 'gz', 'map'].map((end) => `${name}.${end}`),
    ]);
    expect((await readdir(path.dirname(file))).toSorted()).toEqual(names);
  });

  it('has the accounts beside it, small, and with the same errors', async () => {
    const account = path.join(dist, 'web/client/account.js');
    const { exports, imports } = await lookedBeside(account);
    expect(exports).toEqual(['Account']);
    expect(imports).toEqual(['./tandem.js']);
    expect(gzipSync(await readFile(account), { level: 9 }).length).toBeLessThanOrEqual(5 * 1024);
  });
});

describe('the client library as a package', () => {
  let application = '';
  let installed = '';

  beforeAll(async () => {
    application = await mkdtemp(path.join(tmpdir(), 'tandem-application-'));
    installed = path.join(application, 'node_modules/@tandem/client');
    await mkdir(installed, { recursive: true });
    const packing = ['pack', path.join(dist, 'client'), '--offline', '--json', '--pack-destination', application];
    const { stdout } = await run('npm', packing, { cwd: application, env: { ...process.env, NODE_ENV: '' } });
    const [{ filename = '' } = {}] = JSON.parse(stdout) as { filename?: string }[];
    await run('tar', ['-xzf', path.join(application, filename), '-C', installed, '--strip-components=1']);
    // What npm install would fetch.
    await mkdir(path.join(application, 'node_modules/@types'));
    for (const name of ['socket.io-client', '@types/node', 'undici-types']) {
      await symlink(path.join(root, 'node_modules', name), path.join(application, 'node_modules', name));
    }
    await writeFile(path.join(application, 'package.json'), '{ "type": "module", "private": true }');
    await writeFile(path.join(application, 'application.ts'), APPLICATION);
    await writeFile(path.join(application, 'talk.js'), TALK);
  });

  afterAll(() => rm(application, { recursive: true, force: true }));

  it('says what it is and what it needs', async () => {
    const own = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8')) as unknown;
    expect(own).toMatchObject({
      name: '@tandem/client',
      version: manifest.version,
      license: 'MIT',
      type: 'module',
      sideEffects: false,
      dependencies: { 'socket.io-client': manifest.devDependencies['socket.io-client'] },
    });
    expect((await readdir(installed)).toSorted()).toEqual(
      [
        'LICENSE',
        'README.md',
        'account.js',
        'account.js.map',
        'index.js',
        'index.js.map',
        'package.json',
        'tandem.js',
        'tandem.js.map',
        'types',
      ].toSorted(),
    );
  });

  it("leaves Socket.IO's client to the application, and exports what the module for browsers exports", async () => {
    const [index, single] = await Promise.all(
      ['index.js', 'tandem.js'].map((name) => looked(path.join(installed, name))),
    );
    expect(index?.imports).toEqual(['socket.io-client']);
    expect(single?.imports).toEqual([]);
    expect(index?.exports).toEqual(single?.exports);
    expect((await lookedBeside(path.join(installed, 'account.js'))).imports).toEqual(['./index.js']);
  });

  it.each([
    ['Node.js, where there is no DOM', { module: 'nodenext', lib: ['ES2023'], types: ['node'] }],
    ['a browser, by the rules of Node.js', { module: 'nodenext', lib: ['ES2022', 'DOM'], types: [] }],
    [
      'a browser, by the rules of a bundler',
      { module: 'preserve', moduleResolution: 'bundler', lib: ['ES2022', 'DOM'], types: [] },
    ],
  ])('has types that hold in a strict application for %s', async (_where, options) => {
    const compilerOptions = { ...options, target: 'es2022', strict: true, skipLibCheck: false, noEmit: true };
    const project = path.join(application, 'tsconfig.json');
    await writeFile(project, JSON.stringify({ compilerOptions, files: ['application.ts'] }));
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const said = await run(process.execPath, [tsc, '-p', project, '--pretty', 'false'], { cwd: application }).catch(
      (error: unknown) => error as { stdout: string },
    );
    // The declarations of others are theirs to answer for.
    const faults = said.stdout.split('\n').filter((line) => /^(application|node_modules\/@tandem)|^error/.test(line));
    expect(faults).toEqual([]);
  });

  it('lets two clients in Node.js pair and talk, and the process end by itself', async () => {
    const server = await startServer();
    try {
      const { stdout } = await run(process.execPath, ['talk.js', server.url], { cwd: application, timeout: 25_000 });
      const { heard, refused } = JSON.parse(stdout) as { heard: Record<'ada' | 'bob', unknown[]>; refused: unknown };
      expect(heard.ada).toEqual([
        { seq: 1, type: 'text', body: 'hello', isOwn: true },
        { seq: 2, type: 'move', body: { x: 3, y: 4 }, isOwn: true },
        { seq: 3, type: 'text', body: 'hello yourself', isOwn: false },
      ]);
      expect(heard.bob).toEqual(
        (heard.ada as { isOwn: boolean }[]).map((message) => ({ ...message, isOwn: !message.isOwn })),
      );
      expect(refused).toEqual({ isTandemError: true, code: 'SESSION_NOT_FOUND' });
    } finally {
      await server.stop();
    }
  });
});

/** What is expected to be refused proves that the types are more than `any`. */
const APPLICATION = `
import { TandemClient, TandemError, parseCode } from '@tandem/client';
import type { ErrorCode, ReceivedMessage, TandemSession } from '@tandem/client';
import { TandemClient as SingleClient } from '@tandem/client/tandem.js';
import { Account } from '@tandem/client/account';
import type { Login, User } from '@tandem/client/account';

interface Bodies {
  text: string;
  move: { x: number; y: number };
}

interface Signals {
  typing: boolean;
}

export function shown(message: ReceivedMessage<Bodies>): string {
  if (message.type === 'move') {
    const sum: number = message.body.x + message.body.y;
    return String(sum);
  }
  // @ts-expect-error a text has no x
  message.body.x;
  const text: string = message.body;
  return text;
}

export async function play(url: string): Promise<ErrorCode | number> {
  const client: TandemClient<Bodies, Signals> = new TandemClient<Bodies, Signals>({ url, storage: null });
  const session: TandemSession<Bodies, Signals> = await client.create({ name: 'Ada', capacity: 2 });
  const off = session.on('message', (message) => { shown(message); });
  session.on('signal', ({ body }) => {
    const isTyping: boolean = body;
    return isTyping;
  });
  off();
  await session.signal('typing', true);
  // @ts-expect-error a move has numbers
  await session.send('move', { x: 'left', y: 0 });
  // @ts-expect-error nothing jumps
  await session.send('jump', null);
  // @ts-expect-error there is no such event
  session.on('jumped', () => undefined);
  // @ts-expect-error a session is not made by hand
  const made: TandemSession<Bodies, Signals> = {};
  try {
    return (await session.send('move', { x: 1, y: 2 })).seq;
  } catch (error) {
    if (error instanceof TandemError) return error.code;
    throw error;
  }
}

export async function signedIn(url: string): Promise<readonly Login[]> {
  const account = new Account({ url, storage: null });
  const client = new TandemClient<Bodies>({ url, token: account.token });
  account.follow(client);
  account.on('signedOut', ({ user, reason }) => {
    const was: User = user;
    // @ts-expect-error there is no such reason
    return reason === 'bored' && was;
  });
  // @ts-expect-error a password is needed
  await account.signIn({ email: 'ada@example.com' });
  return account.logins();
}

export async function untyped(url: string): Promise<void> {
  const session = await new SingleClient({ url }).join('BCD-234');
  await session.send('anything', { nested: [1, null, 'x'] });
  parseCode('bcd 234');
}
`;

const TALK = `
import { TandemClient, TandemError } from '@tandem/client';
import { Account } from '@tandem/client/account';

const url = process.argv[2];
const account = new Account({ url });
const unknown = await account.signIn({ email: 'nobody@example.com', password: 'x' }).catch((error) => error);
if (!(unknown instanceof TandemError)) throw unknown;
const heard = { ada: [], bob: [] };

function listen(session, messages) {
  return new Promise((resolve) => {
    session.on('message', ({ seq, type, body, isOwn }) => {
      messages.push({ seq, type, body, isOwn });
      if (messages.length === 3) resolve();
    });
  });
}

const [ada, bob] = [new TandemClient({ url }), new TandemClient({ url })];
const refused = await bob.join('BBB-BBB').catch((error) => error);
const hosted = await ada.create({ name: 'Ada' });
const joined = await bob.join(hosted.info.code, { name: 'Bob' });
const done = Promise.all([listen(hosted, heard.ada), listen(joined, heard.bob)]);
await hosted.send('text', 'hello');
await hosted.send('move', { x: 3, y: 4 });
await joined.send('text', 'hello yourself');
await done;
await joined.leave();
await hosted.closeSession();
ada.close();
bob.close();
console.log(JSON.stringify({ heard, refused: { isTandemError: refused instanceof TandemError, code: refused.code } }));
`;
