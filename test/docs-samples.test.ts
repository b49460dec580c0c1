import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parseEnv, promisify } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { transform } from 'esbuild';
import { Webhook } from 'standardwebhooks';
import { readWireTypes } from '../scripts/docs-types.js';
import { loadConfig } from '../server/config.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import type { DataDirectory } from './support/data-directory.ts';
import { testEnvironment } from './support/environment.ts';
import { plainRedis } from './support/redis-server.ts';
import { blocksOf, sampleBlocks } from './support/sample-blocks.ts';
import type { SampleBlock } from './support/sample-blocks.ts';
import { PROGRAMS, STANDARD_INPUT } from './support/sample-programs.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';

/** Why a block is not run: all reasons there are. What such a block says is read all the same (see below). */
const NOT_RUN: Readonly<Record<string, string>> = {
  setup: 'installs, builds or starts for good; test/setup.test.ts and all tests of a built server do it',
  bench: 'runs for minutes, and its figures mean nothing beside tests',
  docker: 'there is no container engine where tests run; test/deploy.test.ts reads the files',
  kubectl: 'there is no cluster where tests run; test/deploy-kubernetes.test.ts reads the files',
  systemd: 'there is no systemd where tests run',
  supabase: 'needs a project of Supabase and its program; test/supabase-copy.test.ts runs the script',
  dump: 'needs the tools of a Postgres',
  fragment: 'is a line of a page, and no page',
};

/** Blocks that another test runs: which, and what in it names the block. */
const RUN_BY: Readonly<Record<string, readonly [file: string, mention: string]>> = {
  readme: ['test/support/docs-example.test.ts', 'run-by=readme'],
  accounts: ['test/client-account.test.ts', 'run-by=accounts'],
  deploy: ['test/deploy.test.ts', 'run-by=deploy'],
  page: ['test/page-docs.test.ts', 'run-by=page'],
  doctor: ['test/doctor.test.ts', 'doctor-main'],
};

/** Languages of blocks that nobody could run: trees, formulas, what was printed. */
const NO_CODE = new Set(['text']);

const root = path.join(import.meta.dirname, '..');
const ADDRESSES = ['http://127.0.0.1:3001', 'https://tandem.example'];
const ADMIN_TOKEN = 'the-admin-token-of-the-samples';
const SECRET = `whsec_${Buffer.from('the secret of all the samples ...').toString('base64')}`;
const run = promisify(execFile);

const blocks = sampleBlocks();
const marked = (...marks: readonly string[]) => blocks.filter(({ mark }) => marks.includes(mark));
const placeOf = ({ page, line }: SampleBlock) => `${page}:${line}`;
const programs = blocks.filter(({ language, mark }) => ['js', 'ts'].includes(language) && mark.startsWith('run='));

let directory: string;
let data: DataDirectory;
// A process of its own: a database in this one, and the compiler, keep a thread for seconds.
let server: SpawnedServer;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tandem-samples-'));
  data = await copyDataDirectory();
  server = await spawnServer(data.dir, { ADMIN_TOKEN, METRICS_TOKEN: 'the-metrics-token', WEBHOOK_SECRET: SECRET });
}, 60_000);
afterAll(async () => {
  await server.kill9();
  await data.remove();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

describe('every block of code in the documentation', () => {
  it('says what becomes of it, and there is nothing that no block names', () => {
    const known = new Set([
      ...Object.keys(NOT_RUN).map((reason) => `not-run=${reason}`),
      ...Object.keys(RUN_BY).map((test) => `run-by=${test}`),
      ...Object.keys(PROGRAMS).map((program) => `run=${program}`),
      ...['as=handshake', 'as=shapes', 'as=webhook', 'as=env', 'run=runbook', 'run=redis', 'run'],
    ]);
    const unmarked = blocks.filter(({ language, mark }) => !NO_CODE.has(language) && !known.has(mark));
    expect(unmarked.map((block) => `${placeOf(block)} ${block.language} ${block.mark}`)).toEqual([]);
    const used = new Set(blocks.map(({ mark }) => mark));
    expect([...known].filter((mark) => !used.has(mark))).toEqual([]);
    expect(blocks.length).toBeGreaterThan(40);
    for (const [file, mention] of Object.values(RUN_BY))
      expect(readFileSync(path.join(root, file), 'utf8')).toContain(mention);
  });

  it('is found, whatever its indentation and its mark', () => {
    const page = '# A\n\n- x\n\n  ```sh run=x\n  one\n\n    two\n  ```\n\n```\nbare\n```\n';
    expect(blocksOf('p', page)).toEqual([
      { page: 'p', line: 5, language: 'sh', mark: 'run=x', text: 'one\n\n  two\n' },
      { page: 'p', line: 11, language: '', mark: '', text: 'bare\n' },
    ]);
  });

  it('names scripts and files that are there, in the grammar of a shell', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: object };
    const shell = blocks.filter(({ language }) => language === 'sh');
    for (const block of shell) {
      const lines = block.text.replaceAll(/<[a-z ]+>|…/g, 'x');
      execFileSync('sh', ['-n'], { input: lines });
      const names = [...lines.matchAll(/\bnpm run (?:--silent )?([\w:]+)/g)].map(([, name = '']) => name);
      expect([placeOf(block), names.filter((name) => !(name in scripts))]).toEqual([placeOf(block), []]);
      const files = [...lines.matchAll(/(?:\bnode |^)((?:\.\/)?[\w/-]+\.(?:js|sh))\b/gm)].map(([, file = '']) => file);
      const missing = files.filter((file) => !existsSync(path.join(root, file)));
      expect([placeOf(block), missing]).toEqual([placeOf(block), []]);
    }
  });
});

describe('the samples', () => {
  it('in JavaScript and TypeScript do what they are there for', async () => {
    const modules = path.join(directory, 'node_modules');
    await mkdir(path.join(modules, '@tandem'), { recursive: true });
    await symlink(path.join(root, 'dist/client'), path.join(modules, '@tandem/client'));
    await symlink(path.join(root, 'node_modules/socket.io-client'), path.join(modules, 'socket.io-client'));
    const files = await Promise.all(
      programs.map(async (block, index) => {
        const { before = '', after } = PROGRAMS[block.mark.slice('run='.length)] ?? { after: '' };
        let code = block.text;
        for (const address of ADDRESSES)
          // The same library: as a module for browsers it needs a WebSocket that Node.js 20 has not.
          code = code.replaceAll(`${address}/client/tandem.js`, '@tandem/client').replaceAll(address, server.url);
        if (block.language === 'ts') code = (await transform(code, { loader: 'ts', format: 'esm' })).code;
        const file = path.join(directory, `${index}.mjs`);
        await writeFile(file, [before, code, after].join('\n'));
        return file;
      }),
    );
    const runner = path.join(import.meta.dirname, 'support/run-samples.js');
    const child = spawn(process.execPath, [runner, server.url, ...files], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(STANDARD_INPUT);
    const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
    const results = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; fault: string | null });
    const faultOf = new Map(results.map(({ file, fault }) => [file, fault]));
    expect(programs.map((block, index) => [placeOf(block), faultOf.get(files[index] ?? '')])).toEqual(
      programs.map((block) => [placeOf(block), null]),
    );
  }, 60_000);

  it('of the runbooks look at a server and find what its log says', async () => {
    const logs = path.join(directory, 'logs');
    await mkdir(logs);
    const day = new Date().toISOString().slice(0, 10);
    const line = (level: string, event: string) => JSON.stringify({ level, event });
    await writeFile(path.join(logs, `${day}.log`), `${line('info', 'a')}\nno JSON\n${line('error', 'b')}\n`);
    const script = marked('run=runbook')
      .map(({ text: lines }) => lines)
      .join('\n')
      .replace('ADMIN_TOKEN=… METRICS_TOKEN=…', `ADMIN_TOKEN=${ADMIN_TOKEN} METRICS_TOKEN=the-metrics-token`)
      .replace(ADDRESSES[0] ?? '', server.url);
    const more = 'logs; events a; metrics | grep -c "^tandem_"';
    const { stdout } = await run('bash', ['-euc', `${script}\n${more}`], { env: { ...process.env, LOG_DIR: logs } });
    expect(stdout).toMatch(/^\{\n {2}"status": "ready"/);
    expect(stdout).toContain('"durability"');
    expect(stdout).toMatch(/\{"level":"error","event":"b"\}\n\{"level":"info","event":"a"\}\n[1-9]\d*\n$/);
  }, 60_000);

  it('of the variables are such that a server starts with them', () => {
    for (const block of marked('as=env')) {
      const variables = parseEnv(block.text) as Record<string, string>; // Each has a value.
      expect(loadConfig(testEnvironment(directory, variables))).toMatchObject({ ok: true, warnings: [] });
    }
  });

  it('in SQL are understood by a database with our tables', async () => {
    const own = await copyDataDirectory();
    const database = await PGlite.create(path.join(own.dir, 'postgres'));
    try {
      for (const block of blocks.filter(({ language }) => language === 'sql')) {
        const fault = await database.exec(block.text).then(
          () => null,
          (error: unknown) => String(error),
        );
        expect([placeOf(block), fault]).toEqual([placeOf(block), null]);
      }
    } finally {
      await database.close();
      await own.remove();
    }
  }, 60_000);

  it('for Redis are understood by it', async () => {
    const redis = await plainRedis();
    try {
      const address = `redis-cli() { command redis-cli -u ${redis.url} "$@"; }`;
      for (const block of marked('run=redis')) {
        const { stdout } = await run('bash', ['-euc', `${address}\n${block.text}`]);
        expect(stdout).not.toMatch(/\bERR\b|Unrecognized/);
      }
    } finally {
      await redis.stop();
    }
  }, 60_000);

  it('of a webhook are taken by the server', async () => {
    for (const { text: body } of marked('as=webhook')) {
      const at = new Date();
      const headers = {
        'Content-Type': 'application/json',
        'webhook-id': `sample-${at.getTime()}`,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': new Webhook(SECRET).sign(`sample-${at.getTime()}`, at, body),
      };
      const answer = await fetch(`${server.url}/api/v1/webhooks/auth`, { method: 'POST', headers, body });
      expect(answer.status).toBe(204);
    }
  });

  it('of shapes have the fields of the types, and no others', () => {
    const types = readWireTypes(root);
    const fieldsIn = (lines: string) => [...lines.matchAll(/^\s+(\w+\??):/gm)].map(([, field]) => field).toSorted();
    const fieldsOf = (schema: unknown) => {
      const { properties = {}, required = [] } = schema as { properties?: object; required?: string[] }; // As JSON Schema has it.
      return Object.keys(properties).map((field) => (required.includes(field) ? field : `${field}?`));
    };
    const [handshake] = marked('as=handshake');
    const { resume } = types.handshake['properties'] as { resume: unknown };
    expect(fieldsIn(handshake?.text ?? '')).toEqual([...fieldsOf(types.handshake), ...fieldsOf(resume)].sort());

    const [shapes] = marked('as=shapes');
    const told = new Map((shapes?.text ?? '').split(/\n\n/).map((part) => [part.split(' ', 1)[0] ?? '', part]));
    expect([...told.keys()]).toEqual(['Session', 'Participant', 'Message', 'self']);
    for (const name of ['Session', 'Participant'])
      expect(fieldsIn(told.get(name) ?? '')).toEqual(fieldsOf(types.shapes.get(name)).toSorted());
    const lists = (part = '') => [...part.matchAll(/\{ (.*?) \}/g)].map(([, names = '']) => names.split(', '));
    expect(lists(told.get('Message'))).toEqual([fieldsOf(types.shapes.get('Message'))]);
    expect(lists(told.get('self')).map((names) => names.toSorted())).toEqual(
      ['SelfWithToken', 'Self'].map((name) => fieldsOf(types.shapes.get(name)).toSorted()),
    );
  });
});
