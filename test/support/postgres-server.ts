/** A real Postgres for tests: a process of its own, on a free port, in a directory of its own. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { createDatabase } from './fresh-database.ts';
import { postgresProgram, runAs } from './postgres-binaries.ts';
import { makeCertificate } from './server-certificate.ts';

const USER = 'postgres';
const READY = /database system is ready to accept (read-only )?connections/;
/** Another process may take the port between the look and the start, and memory of a killed server is freed a bit later. */
const ATTEMPTS = 5;

export interface PostgresOptions {
  /** Speaks TLS, under a certificate for these names (`DNS:localhost`, `IP:127.0.0.1`); `true` is both of them. */
  readonly ssl?: true | readonly string[];
  /** Settings of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostgresServer {
  /** URL of a fresh, empty database. */
  createDatabase(): Promise<string>;
  /** Of the superuser, for the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** The certificate that it shows, which signs itself; null without TLS. */
  readonly sslCa: string | null;
  /** A standby of this server that follows it, read-only. It is stopped with this one, or by itself before. */
  startStandby(): Promise<PostgresServer>;
  /** `kill -9` of the server and its backends. */
  kill(): Promise<void>;
  /** As `pg_ctl stop -m immediate`: without a checkpoint, so that the next start has to recover. */
  stopImmediate(): Promise<void>;
  /** Starts it again, on the same port, with the same data; ends it before when it runs. */
  restart(): Promise<void>;
  /** Restarts it as a standby of nobody, as an old primary comes back after a failover; `pg_promote()` ends that. */
  demote(): Promise<void>;
  /** Ends it for good and removes its data; may be called twice. */
  stop(): Promise<void>;
}

/** For tests that end, freeze or configure the server: always a process of their own. */
export async function startPostgres({ ssl, settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const home = await makeHome();
  try {
    const certificate = ssl === undefined ? null : await makeCertificate(ssl === true ? LOCAL_NAMES : ssl);
    const password = await initialise(home);
    const tls: Record<string, string> =
      certificate === null
        ? {}
        : {
            ssl: 'on',
            ssl_cert_file: await put(home, 'server.crt', certificate.certificate),
            ssl_key_file: await put(home, 'server.key', certificate.key),
          };
    return await Server.start({
      home,
      password,
      settings: { ...tls, ...settings },
      sslCa: certificate?.certificate ?? null,
    });
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

/**
 * `initdb` takes 2 s of processor time: in a run of the tests it happens once, and the others are copies. Returns the
 * password, which they share.
 */
async function initialise(home: string): Promise<string> {
  const scratch = process.env['TANDEM_TEST_SCRATCH'];
  if (scratch === undefined) return initdb(home);
  // Tests may ask for another version than this machine's.
  const template = join(scratch, `postgres-template-${process.env['TEST_POSTGRES_VERSION'] ?? ''}`);
  if (!existsSync(template)) await makeTemplate(template);
  await runAsOwner('cp', ['-R', join(template, 'data'), join(home, 'data')]);
  return readFile(join(template, 'password'), 'utf8');
}

/** Made beside its place and moved there whole: tests of another worker process may be doing the same. */
async function makeTemplate(template: string): Promise<void> {
  const unfinished = await makeHome();
  await initdb(unfinished);
  try {
    await rename(unfinished, template);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(template)) throw error;
  }
}

async function initdb(home: string): Promise<string> {
  const password = randomBytes(12).toString('hex');
  const passwordFile = await put(home, 'password', password);
  await run('initdb', [
    ...['-D', join(home, 'data'), '-U', USER, `--pwfile=${passwordFile}`, '-A', 'scram-sha-256'],
    ...['-E', 'UTF8', '--locale=C', '--no-sync'],
  ]);
  return password;
}

const LOCAL_NAMES = ['DNS:localhost', 'IP:127.0.0.1'];

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // What is written survives the death of every process, which is all that a test can bring about.
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '16MB',
  max_connections: '100',
} as const;

interface Place {
  readonly home: string;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly sslCa: string | null;
}

class Server implements PostgresServer {
  readonly #place: Place;
  readonly #standbys: PostgresServer[] = [];
  readonly #endWithUs = (): void => this.#killAll();
  #process: ChildProcess | null = null;
  #exit: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | null = null;
  #port = 0;

  static async start(place: Place): Promise<Server> {
    const server = new Server(place);
    await server.#start(() => freePort());
    process.on('exit', server.#endWithUs);
    return server;
  }

  private constructor(place: Place) {
    this.#place = place;
  }

  get port(): number {
    return this.#port;
  }

  get sslCa(): string | null {
    return this.#place.sslCa;
  }

  get url(): string {
    return `postgres://${USER}:${this.#place.password}@127.0.0.1:${this.#port}/postgres`;
  }

  createDatabase(): Promise<string> {
    return createDatabase(this.url, this.#place.sslCa);
  }

  async startStandby(): Promise<PostgresServer> {
    const home = await makeHome();
    try {
      await run('pg_basebackup', [
        '-D',
        join(home, 'data'),
        '-d',
        this.url,
        '-R',
        '-X',
        'stream',
        '-c',
        'fast',
        '--no-sync',
      ]);
      const standby = await Server.start({ ...this.#place, home });
      this.#standbys.push(standby);
      return standby;
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  async kill(): Promise<void> {
    this.#killAll();
    await this.#exit;
  }

  async stopImmediate(): Promise<void> {
    this.#process?.kill('SIGQUIT');
    await this.#exit;
  }

  async restart(): Promise<void> {
    await this.#end();
    await this.#start(() => Promise.resolve(this.#port));
  }

  async demote(): Promise<void> {
    await this.#end();
    await put(join(this.#place.home, 'data'), 'standby.signal', '');
    await this.restart();
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#remove());
  }

  async #remove(): Promise<void> {
    await Promise.all(this.#standbys.map((standby) => standby.stop()));
    process.off('exit', this.#endWithUs);
    await this.#end();
    await rm(this.#place.home, { recursive: true, force: true });
  }

  /** Fast: what runs is rolled back, and connections are closed. */
  async #end(): Promise<void> {
    this.#process?.kill('SIGINT');
    await this.#exit;
  }

  async #start(choosePort: () => Promise<number>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.#port = await choosePort();
      const failure = await this.#startOnce();
      if (failure === null) return;
      if (attempt === ATTEMPTS) throw new Error(`Postgres did not start: ${failure}`);
    }
  }

  /** What it said, when it ended instead. */
  async #startOnce(): Promise<string | null> {
    const settings = { ...SETTINGS, port: String(this.#port), ...this.#place.settings };
    const child = spawn(
      postgresProgram('postgres'),
      [
        '-D',
        join(this.#place.home, 'data'),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...runAs(), cwd: this.#place.home, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } },
    );
    this.#process = child;
    const said: string[] = [];
    const ended = new Promise<'ended'>((resolve) => {
      child.on('close', () => resolve('ended'));
      child.on('error', (error) => {
        said.push(error.message);
        resolve('ended');
      });
    });
    this.#exit = ended.then(() => {
      if (this.#process === child) this.#process = null;
    });
    const ready = new Promise<'ready'>((resolve) => {
      createInterface(child.stderr).on('line', (line) => {
        if (READY.test(line)) resolve('ready');
        if (said.length < 50) said.push(line);
      });
    });
    return (await Promise.race([ready, ended])) === 'ready' ? null : said.join('\n');
  }

  /** Backends are in sessions of their own, and one that works would not notice at once that its server is gone. */
  #killAll(): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    const backends = childrenOf(pid);
    for (const victim of [pid, ...backends]) {
      try {
        process.kill(victim, 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
}

function childrenOf(pid: number): number[] {
  return childrenList(pid).trim().split(/\s+/).filter(Boolean).map(Number);
}

function childrenList(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    // No Linux, or it has just ended.
    return spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout;
  }
}

async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'tandem-postgres-server-'));
  const { uid, gid } = runAs();
  if (uid !== undefined && gid !== undefined) await chown(home, uid, gid);
  return home;
}

async function put(home: string, name: string, text: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, text, { mode: 0o600 });
  const { uid, gid } = runAs();
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
  return path;
}

async function run(program: string, parameters: readonly string[]): Promise<void> {
  await runAsOwner(postgresProgram(program), parameters);
}

async function runAsOwner(program: string, parameters: readonly string[]): Promise<void> {
  await promisify(execFile)(program, parameters, {
    ...runAs(),
    cwd: tmpdir(),
    env: { ...process.env, LC_ALL: 'C' },
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo; // it listens on a port, not on a path
      server.close(() => resolve(port));
    });
  });
}
