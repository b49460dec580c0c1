import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

/**
 * Each rule of .dependency-cruiser.cjs is tried: a project of small files in a directory of its own has every forbidden
 * import once, and beside them imports that are allowed.
 */
const root = path.join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const rules = require('../.dependency-cruiser.cjs') as { forbidden: { name: string }[] };

/** from, to, the rules that must object: none where the import is allowed. */
type Try = readonly [from: string, to: string, ...names: string[]];

const FORBIDDEN: readonly Try[] = [
  ['server/jobs/lost.ts', './nowhere.ts', 'no-unresolved'],
  ['protocol/session.ts', 'server/sessions/ports.ts', 'protocol-stands-alone'],
  ['protocol/limits.ts', 'client/index.ts', 'protocol-stands-alone'],
  ['protocol/json.ts', 'zod', 'protocol-stands-alone'],
  ['protocol/errors.ts', 'node:crypto', 'pure-rooms-need-no-node'],
  ['server/sessions/session.ts', 'server/limits/windows.ts', 'rules-are-pure', 'sessions-know-no-edge'],
  ['server/sessions/ports.ts', 'server/main.ts', 'only-main-imports-server'],
  ['server/sessions/codes.ts', 'server/http/app.ts', 'sessions-know-no-edge'],
  ['server/jobs/look.ts', 'server/doctor/findings.ts', 'doctor-stands-apart'],
  ['server/jobs/trace.ts', '@opentelemetry/core', 'traces-are-lazy'],
  ['server/sessions/joining.ts', 'express', 'sessions-know-no-edge', 'express-only-in-http'],
  ['server/realtime/gateway.ts', 'server/http/app.ts', 'realtime-not-http'],
  ['server/http/app.ts', 'server/realtime/dispatch.ts', 'http-not-realtime'],
  ['server/jobs/sweeper.ts', 'server/state/memory.ts', 'jobs-only-sessions'],
  ['server/limits/windows.ts', 'server/jobs/idle.ts', 'limits-only-protocol'],
  ['server/state/memory.ts', 'server/durable/postgres.ts', 'state-implements-ports'],
  ['server/durable/store.ts', 'server/limits/client-ip.ts', 'durable-implements-ports'],
  ['server/state/rooms.ts', 'server/sessions/session-service.ts', 'stores-know-ports-and-rules'],
  ['server/auth/tokens.ts', 'server/sessions/ports.ts', 'auth-only-protocol'],
  ['server/cache/cache.ts', 'server/limits/windows.ts', 'cache-knows-no-room'],
  ['server/mail/page.ts', 'server/http/app.ts', 'mail-knows-no-edge'],
  ['server/mail/tokens.ts', 'server/auth/tokens.ts', 'mail-knows-no-edge'],
  ['server/jobs/post.ts', 'nodemailer', 'nodemailer-only-in-mail'],
  ['server/observability/logger.ts', 'server/limits/windows.ts', 'observability-looks-at-no-room'],
  ['server/config.ts', 'server/jobs/idle.ts', 'config-knows-no-room'],
  ['server/config/limits.ts', 'server/limits/windows.ts', 'config-takes-types-of-limits'],
  ['server/http/pages.ts', 'client/index.ts', 'server-knows-no-client'],
  ['server/http/examples.ts', 'examples/call/call.js', 'server-knows-no-client'],
  ['server/http/page.ts', 'web/code.ts', 'server-knows-no-client'],
  ['client/seat.ts', 'server/sessions/ports.ts', 'client-knows-the-wire-alone'],
  ['client/page.ts', 'web/code.ts', 'client-knows-the-wire-alone'],
  ['client/id.ts', 'node:crypto', 'client-knows-the-wire-alone'],
  ['client/schema.ts', 'zod', 'client-knows-the-wire-alone'],
  ['client/engine.ts', 'engine.io-client', 'client-knows-the-wire-alone'],
  ['client/probe.ts', 'test/support/probe.ts', 'client-knows-the-wire-alone', 'product-never-imports-tests'],
  ['web/rules.ts', 'server/sessions/ports.ts', 'web-is-a-client'],
  ['web/engine.ts', 'engine.io-client', 'web-is-a-client'],
  ['web/backoff.ts', 'client/backoff.ts', 'web-takes-the-client-whole'],
  ['web/files.ts', 'node:fs', 'web-needs-no-node'],
  ['web/socket.ts', 'socket.io-client', 'socket.io-client-only-in-client'],
  ['web/lines.ts', 'uplot', 'uplot-only-in-console'],
  ['client/lines.ts', 'uplot', 'client-knows-the-wire-alone', 'uplot-only-in-console'],
  ['server/realtime/peer.ts', 'socket.io-client', 'socket.io-client-only-in-client'],
  ['examples/call/wire.js', 'protocol/limits.ts', 'examples-stand-alone'],
  ['examples/call/socket.js', 'socket.io-client', 'examples-stand-alone'],
  ['examples/call/source.js', 'client/index.ts', 'examples-stand-alone'],
  ['examples/run-inside.js', 'server/server.ts', 'examples-stand-alone'],
  ['examples/call/file.js', 'node:fs', 'pages-of-examples-need-no-node'],
  ['examples/call/inner.d.ts', 'client/backoff.ts', 'examples-know-the-library-by-its-types'],
  ['server/jobs/query.ts', 'pg', 'pg-only-in-durable'],
  ['server/jobs/cache.ts', 'redis', 'redis-only-in-state'],
  ['server/jobs/route.ts', 'express', 'express-only-in-http'],
  ['server/jobs/emit.ts', 'socket.io', 'socket.io-only-in-realtime'],
  ['server/jobs/late.ts', 'server/jobs/late.test.ts', 'product-never-imports-tests'],
  ['web/late.ts', 'bench/run.ts', 'product-never-imports-tests', 'web-is-a-client'],
];

const CIRCLE: readonly Try[] = [
  ['server/jobs/round.ts', 'server/jobs/about.ts', 'no-circles'],
  ['server/jobs/about.ts', 'server/jobs/round.ts', 'no-circles'],
];

const ALLOWED: readonly Try[] = [
  ['server/main.ts', 'server/server.ts'],
  ['server/http/health.ts', 'express'],
  ['server/mail/recipient.ts', 'server/auth/email-address.ts'],
  ['server/mail/smtp.ts', 'nodemailer'],
  ['client/index.ts', 'protocol/commands.ts'],
  ['client/socket.ts', 'socket.io-client'],
  ['client/socket.test.ts', 'test/support/probe.ts'],
  ['client/file.test.ts', 'node:fs'],
  ['web/main.ts', 'client/index.ts'],
  ['web/code.ts', 'protocol/limits.ts'],
  ['web/qr.ts', 'qrcode'],
  ['web/console/link.ts', 'socket.io-client'],
  ['web/console/chart.ts', 'uplot'],
  ['web/console/screen.ts', 'web/view/dom.ts'],
  ['web/texts.test.ts', 'client/backoff.ts'],
  ['examples/run.js', 'node:child_process'],
  ['examples/call/main.js', 'examples/call/call.js'],
  ['examples/call/tandem.d.ts', 'client/index.ts'],
  ['test/socket.test.ts', 'socket.io-client'],
  ['test/library.test.ts', 'client/index.ts'],
];

const ROOMS = ['protocol', 'server', 'client', 'web', 'examples', 'test', 'bench'];

interface Verdict {
  summary: { violations: { from: string; unresolvedTo?: string; rule: { name: string } }[] };
}

let project = '';
let found: Record<string, string[]> = {};

beforeAll(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'tandem-imports-'));
  await writeProject(project, [...FORBIDDEN, ...CIRCLE, ...ALLOWED]);
  found = objections(await cruise(project));
});

afterAll(() => rm(project, { recursive: true, force: true }));

describe('the import rules', () => {
  it.each(FORBIDDEN)('refuse that %s imports %s', (from, _to, ...names) => {
    expect(found[from]).toEqual(names.toSorted());
  });

  it('refuse a circle, and tell it once', () => {
    expect(CIRCLE.flatMap(([from]) => found[from] ?? [])).toEqual(['no-circles']);
  });

  it.each(ALLOWED)('leave it to %s to import %s', (from) => {
    expect(found[from] ?? []).toEqual([]);
  });

  it('are all tried', () => {
    const tried = new Set([...FORBIDDEN, ...CIRCLE].flatMap(([, , ...names]) => names));
    expect(rules.forbidden.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });
});

async function writeProject(dir: string, tries: readonly Try[]): Promise<void> {
  await cp(path.join(root, '.dependency-cruiser.cjs'), path.join(dir, '.dependency-cruiser.cjs'));
  const importing = new Set(tries.map(([from]) => from));
  const imported = tries.map(([, to]) => to);
  const files = new Map<string, string>([
    ['package.json', '{ "type": "module" }'],
    [
      'tsconfig.json',
      '{ "compilerOptions": { "module": "nodenext", "allowImportingTsExtensions": true, "noEmit": true } }',
    ],
    ...imported.filter(isPackage).flatMap((name): [string, string][] => [
      [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
      [`node_modules/${name}/index.js`, ''],
    ]),
    ...imported.filter((to) => isOwnFile(to) && !importing.has(to)).map((to): [string, string] => [to, 'export {};\n']),
    ...tries.map(([from, to]): [string, string] => [from, `import * as x from '${specifier(from, to)}';\nx;\n`]),
  ]);
  for (const [file, text] of files) {
    await mkdir(path.dirname(path.join(dir, file)), { recursive: true });
    await writeFile(path.join(dir, file), text);
  }
}

function isOwnFile(to: string): boolean {
  return ROOMS.some((room) => to.startsWith(`${room}/`));
}

function isPackage(to: string): boolean {
  return !isOwnFile(to) && !/^(node:|https:|\.|\/)/.test(to);
}

function specifier(from: string, to: string): string {
  if (!isOwnFile(to)) return to;
  const relative = path.relative(path.dirname(from), to).split(path.sep).join('/');
  return relative.startsWith('.') ? relative : `./${relative}`;
}

/** By the program and not by its interface, because the program is what `npm run lint` runs. */
async function cruise(dir: string): Promise<Verdict> {
  const program = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [program, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...ROOMS];
  // The number of violations is the exit code: what counts is what it says.
  const said = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: dir, maxBuffer: 2 ** 26 }, (_error, stdout, stderr) => {
      resolve({ stdout, stderr });
    });
  });
  if (!said.stdout.startsWith('{')) throw new Error(`depcruise gave no verdict:\n${said.stderr}`);
  return JSON.parse(said.stdout) as Verdict;
}

function objections(verdict: Verdict): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const { from, rule } of verdict.summary.violations) (names[from] ??= []).push(rule.name);
  return Object.fromEntries(Object.entries(names).map(([from, list]) => [from, [...new Set(list)].toSorted()]));
}
