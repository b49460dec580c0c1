import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Finding } from '../server/doctor/finding.ts';
import { createMask } from '../server/doctor/secrets.ts';
import { loadConfig } from '../server/config.ts';
import { checkNode } from '../server/doctor/node-check.ts';
import { clockFinding } from '../server/doctor/clock.ts';
import { diagnose } from '../server/doctor/doctor.ts';
import { toJson, toText } from '../server/doctor/report.ts';
import { NOT_PROBED, probedCommands } from '../server/doctor/redis-permissions.ts';
import { administer } from './support/fresh-database.ts';
import { eventually } from './support/eventually.ts';
import { startMailServer, type MailServer } from './support/mail-server.ts';
import { startPostgres, type PostgresServer } from './support/postgres-server.ts';
import { startCluster } from './support/redis-cluster.ts';
import { startSentinels } from './support/redis-sentinels.ts';
import { startRedis, type RedisServer } from './support/redis-server.ts';
import { startServer } from './support/server.ts';

const ROOT = path.join(import.meta.dirname, '..');
const TSX = path.join(ROOT, 'node_modules/tsx/dist/esm/index.mjs');
const ACL = path.join(ROOT, 'deploy/redis/tandem.acl');
const SECRET = () => randomBytes(24).toString('base64url');

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly checks: readonly Finding[];
  /** Verdict of each check; the worst where there are several of a name. */
  readonly verdicts: Readonly<Record<string, string>>;
}

let home: string;
let redis: RedisServer;
let postgres: PostgresServer;
let mail: MailServer;
const password = SECRET();

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'tandem-doctor-'));
  const list = (await readFile(ACL, 'utf8'))
    .replace('REPLACE_WITH_A_RANDOM_PASSWORD', password)
    // For the test itself.
    .replace('user default off', 'user default on nopass ~* &* +@all');
  const other = `user weak on >${password} ~tandem:* &tandem:* -@all +ping +info +time +get +config|get`;
  [redis, postgres, mail] = await Promise.all([
    startRedis({
      appendonly: 'always',
      maxmemory: '200mb',
      maxmemoryPolicy: 'noeviction',
      aclfile: `${list.trim()}\n${other}`,
    }),
    startPostgres(),
    startMailServer({
      allowInsecureAuth: true,
      onAuth: ({ password: given }, _session, done) => done(given === password ? null : new Error('no'), { user: 'u' }),
    }),
  ]);
}, 120_000);

afterAll(async () => {
  await Promise.all([redis.stop(), postgres.stop(), mail.stop(), rm(home, { recursive: true })]);
});

/** In a directory of its own; port 0 unless a test is about ports. */
async function doctor(env: Readonly<Record<string, string>>): Promise<Run> {
  const given = { PORT: '0', DATABASE_SSL: 'false', DATA_DIR: path.join(home, 'data'), LOG_DIR: home, ...env };
  const patient = { env: given, envFile: path.join(home, '.env'), nodeVersion: process.versions.node };
  const { findings, exitCode } = await diagnose(patient);
  const verdicts: Record<string, string> = {};
  for (const { check, verdict } of findings) {
    if (verdicts[check] === undefined || verdict !== 'ok') verdicts[check] = verdict;
  }
  return { code: exitCode, output: toText(findings) + toJson(findings, '1.2.3'), checks: findings, verdicts };
}

interface Process {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(main: string, env: Readonly<Record<string, string>>, ...parameters: string[]): Promise<Process> {
  const child = spawn(process.execPath, ['--import', TSX, path.join(ROOT, 'server', main), ...parameters], {
    cwd: home,
    env: { PATH: process.env['PATH'], PORT: '0', DATABASE_SSL: 'false', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
}

const about = ({ checks }: Run, name: string) =>
  checks
    .filter(({ check }) => check === name)
    .map(({ found, advice }) => `${found} -> ${advice ?? ''}`)
    .join('\n');

/** Takes connections and says nothing. */
async function silence(): Promise<{ readonly port: number; readonly close: () => Promise<unknown> }> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a listening TCP server has one
  return {
    port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const redisEnv = (user = 'tandem') => ({ REDIS_URL: redis.url, REDIS_USERNAME: user, REDIS_PASSWORD: password });

describe('npm run doctor', () => {
  it('finds nothing wrong with Redis, Postgres and mail that will do, and writes to none of them', async () => {
    const database = await postgres.createDatabase();
    const smtp = mail.url.replace('//', `//u:${password}@`);
    const secrets = { JWT_SECRET: SECRET() + SECRET(), ADMIN_TOKEN: SECRET(), METRICS_TOKEN: SECRET() };
    const env = { ...redisEnv(), ...secrets, DATABASE_URL: database, SMTP_URL: smtp, MAIL_FROM: 'a@example.org' };
    const changed = await changes();
    const before = await doctor(env);
    expect(await changes()).toBe(changed);
    expect(before.verdicts).toEqual({
      ...{ node: expect.any(String), configuration: 'ok', plausibility: 'ok', port: 'ok', LOG_DIR: 'ok', disk: 'ok' },
      ...{ postgres: 'ok', 'postgres version': 'ok', 'postgres tls': 'ok', 'postgres connections': 'ok' },
      ...{ 'postgres clock': 'ok', schema: 'warning', mail: 'ok' },
      ...{ redis: 'ok', 'redis version': 'ok', 'redis eviction': 'ok', 'redis durability': 'ok', 'redis memory': 'ok' },
      ...{ 'redis rights': 'ok', 'redis clock': 'ok', 'redis owner': 'ok' },
    });
    expect(about(before, 'schema')).toMatch(/to be applied, from \d{14}_sessions on -> .*npm run migrate/);
    expect(about(before, 'redis durability')).toMatch(/^redis_always: /);
    expect(before.code).toBe(0);
    expect(mail.mails.all).toEqual([]);
    const databasePassword = postgres.url.split(/[:@]/)[2] ?? '';
    for (const secret of [password, databasePassword, ...Object.values(secrets)])
      expect(before.output).not.toContain(secret);

    // A server that runs: it is found, the database has what it needs, and Redis belongs to it.
    const server = await startServer({ ...env, DATABASE_SSL: 'false' });
    try {
      const beside = await doctor({ ...env, PORT: String(server.port) });
      expect(about(beside, 'port')).toMatch(/running Tandem \d.* alive/);
      expect(beside.verdicts).toMatchObject({ schema: 'ok', 'redis owner': 'ok', 'redis rights': 'ok' });
      expect(about(beside, 'redis owner')).toContain('belongs to this database');
      const foreign = await doctor({ ...env, DATABASE_URL: await migrated(await postgres.createDatabase()) });
      expect(foreign.code).toBe(1);
      expect(about(foreign, 'redis owner')).toContain('belongs to another database');
    } finally {
      await server.stop();
    }
  }, 120_000);

  it('says what is wrong with services that are not there, that say nothing, or that are set up otherwise', async () => {
    const nobody = await silence();
    const busy = createHttpServer((_request, response) => response.end('something else'));
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const { port } = busy.address() as AddressInfo; // a listening TCP server has one
    try {
      const startedAt = performance.now();
      const [mute, absent, weak] = await Promise.all([
        doctor({
          REDIS_URL: `redis://127.0.0.1:${nobody.port}`,
          DATABASE_URL: `postgres://tandem:planted-secret@127.0.0.1:${nobody.port}/tandem`,
          SMTP_URL: `smtp://127.0.0.1:${nobody.port}`,
          JWT_JWKS_URL: `http://127.0.0.1:${nobody.port}/keys`,
          PORT: String(port),
        }),
        doctor({
          REDIS_URL: 'redis://127.0.0.1:1',
          DATABASE_URL: 'postgres://tandem:planted-secret@127.0.0.1:1/tandem',
          SMTP_URL: 'smtp://127.0.0.1:1',
        }),
        doctor({
          ...redisEnv('weak'),
          DURABILITY: 'archived',
          DATABASE_URL: postgres.url.replace(/:[^:@]*@/, ':planted-secret@'),
          SMTP_URL: mail.url.replace('//', '//u:planted-secret@'),
        }),
      ]);
      // Far from what they would wait for by themselves, and far from what a busy machine needs.
      expect(performance.now() - startedAt).toBeLessThan(40_000);
      for (const run of [mute, absent]) {
        expect(run.verdicts).toMatchObject({ redis: 'failed', postgres: 'failed', mail: 'failed' });
        expect(run.code).toBe(1);
        expect(run.checks.filter(({ verdict, advice }) => verdict !== 'ok' && advice === null)).toEqual([]);
      }
      expect(mute.verdicts).toMatchObject({ port: 'failed', issuer: 'failed' });
      expect(about(mute, 'port')).toContain('in use by another program');
      expect(about(absent, 'postgres')).toMatch(/cannot be reached \(ECONNREFUSED\) -> start it/);
      expect(weak.verdicts).toMatchObject({
        ...{ redis: 'ok', 'redis rights': 'failed', 'redis durability': 'failed', postgres: 'failed', mail: 'failed' },
      });
      expect(about(weak, 'redis rights')).toMatch(/may not send .*SET.*HSET.*XADD.*EVALSHA.* -> .*tandem\.acl/);
      expect(about(weak, 'postgres')).toContain('refused the password of the role');
      expect(about(weak, 'mail')).toMatch(/AUTH.* -> Correct user and password/);
      for (const run of [mute, absent, weak]) expect(run.output).not.toContain('planted-secret');
      expect(weak.output).not.toContain(password);
    } finally {
      await nobody.close();
      await new Promise((resolve) => busy.close(resolve));
    }
  }, 120_000);

  it('doubts a Redis that drops, forgets, or is nearly full', async () => {
    const poor = await startRedis({ appendonly: false, maxmemory: '1mb', maxmemoryPolicy: 'allkeys-lru' });
    try {
      const run = await doctor({ REDIS_URL: poor.url });
      expect(run.verdicts).toMatchObject({
        'redis eviction': 'failed',
        'redis durability': 'warning',
        instances: 'warning',
      });
      expect(run.verdicts['redis memory']).not.toBe('ok');
      expect(about(run, 'redis eviction')).toMatch(/allkeys-lru: the server is not ready -> .*noeviction/);
      expect(about(run, 'redis durability')).toMatch(/^redis_memory: .*appendfsync always/);
      expect(run.code).toBe(1);
    } finally {
      await poor.stop();
    }
  }, 120_000);

  it('knows sentinels and a cluster, and whether somebody could take over', async () => {
    const named = (servers: readonly RedisServer[]) => servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const [sentinels, cluster] = await Promise.all([startSentinels(), startCluster()]);
    try {
      const { servers, name } = sentinels;
      const env = { REDIS_SENTINELS: named(sentinels.sentinels), REDIS_SENTINEL_NAME: name };
      const run = await doctor(env);
      expect(run.verdicts).toMatchObject({ redis: 'ok', 'redis sentinels': 'ok', 'redis rights': 'ok' });
      expect(about(run, 'redis sentinels')).toContain(`3 of 3 sentinels name the primary "${name}"; quorum 2`);
      expect(about(run, 'redis')).toContain(String((await sentinels.primary()).port));
      expect(servers.length).toBeGreaterThan(1);
      const gone = await doctor({ ...env, REDIS_SENTINELS: `${env.REDIS_SENTINELS},127.0.0.1:1` });
      expect(gone.verdicts['redis sentinels']).toBe('warning');
      // A node tells of its replica once that has followed for a while.
      await eventually(async () => {
        const whole = await doctor({ REDIS_CLUSTER_NODES: named(cluster.nodes.slice(0, 2)) });
        expect(whole.verdicts).toMatchObject({ redis: 'ok', 'redis rights': 'ok', 'redis replicas': 'ok' });
      });
    } finally {
      await Promise.all([sentinels.stop(), cluster.stop()]);
    }
  }, 120_000);

  it('refuses a database that is too new for this code', async () => {
    const database = await migrated(await postgres.createDatabase());
    await administer(database, "update tandem_migrations set oldest_code = '999.0.0' where name = 'indexes'");
    const run = await doctor({ DATABASE_URL: database, DATABASE_POOL_MAX: '500' });
    expect(run.verdicts).toMatchObject({ schema: 'failed', 'postgres connections': 'failed' });
    expect(about(run, 'schema')).toContain('999.0.0');
    expect(run.code).toBe(1);
  }, 120_000);

  it('says every fault of the configuration, ends with 78, and shows no secret', async () => {
    const run = await doctor({ PORT: 'abc', TRUST_PROXY: 'true', JWT_SECRET: 'too-short-to-be-one' });
    expect(run.code).toBe(78);
    const faults = run.checks.filter(({ check }) => check === 'configuration');
    expect(faults.map(({ found }) => found.split(':')[0]).toSorted()).toEqual(['JWT_SECRET', 'PORT', 'TRUST_PROXY']);
    expect(run.output).not.toContain('too-short-to-be-one');
  }, 120_000);

  it('doubts in production what development may do, and tells people as it tells programs', async () => {
    const twice = SECRET() + SECRET();
    const env = { NODE_ENV: 'production', JWT_SECRET: twice, ADMIN_TOKEN: twice, CORS_ORIGINS: 'http://app.example' };
    const [open, doubtful] = await Promise.all([
      doctor({ ...env, PUBLIC_URL: 'https://tandem.example', DATABASE_URL: await postgres.createDatabase() }),
      doctor({ ...env, DATA_DIR: ACL, PUBLIC_URL: 'http://tandem.example' }),
    ]);
    expect(open.verdicts).toMatchObject({
      ...{ secrets: 'warning', TRUST_PROXY: 'warning', CORS_ORIGINS: 'warning', instances: 'warning' },
    });
    expect(about(open, 'secrets')).toContain('JWT_SECRET and ADMIN_TOKEN are the same');
    expect(open.code).toBe(0);
    expect(doubtful.verdicts).toMatchObject({ PUBLIC_URL: 'warning', DATA_DIR: 'failed' });
    expect(doubtful.code).toBe(1);
    await writeFile(path.join(home, '.env'), 'ADMIN_TOKEN=changeme-changeme\n');
    await chmod(path.join(home, '.env'), 0o644);
    try {
      const run = await doctor({});
      expect(run.verdicts).toMatchObject({ '.env': 'warning', production: 'warning', 'embedded database': 'ok' });
      expect(about(run, 'production')).toMatch(/ADMIN_TOKEN: .*known default/);
      expect(run.output).not.toContain('changeme-changeme');
    } finally {
      await rm(path.join(home, '.env'));
    }
  }, 120_000);

  it('as a program ends with 0, 1 or 78, and speaks to people, and with --json to programs', async () => {
    const [fine, faulty, misused] = await Promise.all([
      run('doctor-main.ts', {}),
      run('doctor-main.ts', { PORT: 'abc' }, '--json'),
      run('doctor-main.ts', {}, '--jsno'),
    ]);
    expect(fine).toMatchObject({ code: 0, stderr: '' });
    expect(fine.stdout).toMatch(/^warning +production +.*JWT_SECRET.*\n +-> /m);
    expect(fine.stdout).toMatch(/\n\n\d+ ok, \d+ warnings, 0 failed\n$/);
    expect(faulty.code).toBe(78);
    expect(JSON.parse(faulty.stdout)).toMatchObject({
      verdict: 'failed',
      checks: [{ check: 'node' }, { verdict: 'failed' }],
    });
    expect(misused).toMatchObject({ code: 1, stdout: '' });
  }, 120_000);
});

describe('single checks', () => {
  it('know which Node.js is too old, and which is past its end', () => {
    const verdicts = ['18.20.4', '20.18.9', '20.19.0', '22.1.0', '24.0.0'].map((version) => checkNode(version).verdict);
    expect(verdicts).toEqual(['failed', 'failed', 'warning', 'ok', 'ok']);
  });

  it('say which clock is ahead', () => {
    expect(clockFinding('clock', 1500, 'Redis').verdict).toBe('ok');
    expect(clockFinding('clock', -5000, 'Redis').found).toBe('the clock of Redis is 5.0 s behind that of this machine');
    expect(clockFinding('clock', 3_600_000, 'Redis').found).toMatch(/3600\.0 s ahead of .* expired/);
  });

  it('have every secret replaced, wherever a service repeats it', () => {
    const loaded = loadConfig({
      ...{
        ADMIN_TOKEN: 'planted-admin-token',
        REDIS_URL: 'redis://u:planted-redis@h',
        SMTP_URL: 'smtp://u:planted%2Fmail@h',
      },
      ...{ DATABASE_URL: 'postgres://u:planted-postgres@h/d', JWT_SECRET: 'planted-'.repeat(5) },
    });
    if (!loaded.ok) throw new Error(loaded.faults.join());
    const said = `planted-admin-token planted-redis planted/mail planted%2Fmail planted-postgres ${'planted-'.repeat(5)} fine`;
    expect(createMask(loaded.config)(said)).toBe('*** *** *** *** *** *** fine');
  });

  it('try every command that the recommended access list allows', async () => {
    const allowed = [...(await readFile(ACL, 'utf8')).matchAll(/ \+([a-z|]+)/g)].map(([, name = '']) => name);
    // Sent when it connects, measures or listens, so that they are tried all the same.
    const byItself = ['ping', 'info', 'select', 'config|get', 'cluster|slots', 'asking'];
    byItself.push('subscribe', 'unsubscribe', 'ssubscribe', 'sunsubscribe', 'spublish');
    expect([...probedCommands(), ...byItself, ...NOT_PROBED].toSorted()).toEqual(allowed.toSorted());
  });
});

/** How often what Redis holds was changed since its start. */
async function changes(): Promise<number> {
  const info = String(await redis.command('INFO', 'persistence'));
  return Number(/^rdb_changes_since_last_save:(\d+)/m.exec(info)?.[1]);
}

async function migrated(url: string): Promise<string> {
  const { code, stderr } = await run('migrate-main.ts', { DATABASE_URL: url });
  if (code !== 0) throw new Error(`The migrations ended with ${String(code)}: ${stderr}`);
  return url;
}
