/** Real Redis servers for tests: each a process of its own, on a free port, in a directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createClient } from 'redis';
import { within } from './deadline.ts';
import { guardDirectory, guardProcess } from './process-guard.ts';
import { makeCertificate } from './server-certificate.ts';

const START_MS = 15_000;

export interface RedisServerOptions {
  /** Whether and how often the log of writes reaches the disk; false is none. */
  readonly appendonly?: 'always' | 'everysec' | 'no' | false;
  /** Such as `2mb`. */
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  readonly requirepass?: string;
  /** Lines of an ACL file. */
  readonly aclfile?: string;
  /** Encrypted only; `RedisServer.ca` is the certificate to trust. */
  readonly tls?: boolean;
  /** More lines of redis.conf. */
  readonly config?: readonly string[];
}

export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly dir: string;
  /** PEM; null without TLS. */
  readonly ca: string | null;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** Ends the process as it stands; its directory stays. Resolves when it is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** In the same directory, on the same port; ends the process before when it still runs. */
  restart(): Promise<void>;
  /** Stops the process without ending it: connections stay, and nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** One command, on a connection of its own. */
  command(...args: readonly string[]): Promise<unknown>;
  /** Ends the process and removes the directory. May be called twice. */
  stop(): Promise<void>;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return start(options, 'server');
}

/** The Redis that `TEST_REDIS_URL` names, else one of our own. Others may use it too: take a key prefix of your own. */
export async function plainRedis(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const named = process.env['TEST_REDIS_URL'];
  return named === undefined || named === '' ? startRedis() : { url: named, stop: () => Promise.resolve() };
}

export async function start(options: RedisServerOptions, mode: 'server' | 'sentinel'): Promise<RedisServer> {
  const dir = await mkdtemp(path.join(tmpdir(), 'tandem-redis-'));
  guardDirectory(dir);
  const ca = options.tls === true ? await putCertificate(dir) : null;
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    await writeFile(path.join(dir, 'redis.conf'), (await linesOf(options, dir, port)).join('\n'));
    const server = new Server(dir, port, mode, ca, options.requirepass ?? null);
    try {
      await server.restart();
      return server;
    } catch (error) {
      // Another test may have taken the port meanwhile.
      if (attempt < 3 && String(error).includes('Address already in use')) continue;
      await server.stop();
      throw error;
    }
  }
}

async function linesOf(options: RedisServerOptions, dir: string, port: number): Promise<string[]> {
  const { appendonly = false, maxmemory, maxmemoryPolicy, requirepass, aclfile, tls, config = [] } = options;
  const lines = ['bind 127.0.0.1', `dir ${dir}`, 'save ""', 'daemonize no', 'logfile ""', 'repl-diskless-sync-delay 0'];
  if (tls === true) {
    lines.push('port 0', `tls-port ${port}`, `tls-cert-file ${dir}/cert.pem`, `tls-key-file ${dir}/key.pem`);
    lines.push(`tls-ca-cert-file ${dir}/cert.pem`, 'tls-auth-clients no');
  } else {
    lines.push(`port ${port}`);
  }
  lines.push(`appendonly ${appendonly === false ? 'no' : 'yes'}`);
  if (appendonly !== false) lines.push(`appendfsync ${appendonly}`);
  if (maxmemory !== undefined) lines.push(`maxmemory ${maxmemory}`);
  if (maxmemoryPolicy !== undefined) lines.push(`maxmemory-policy ${maxmemoryPolicy}`);
  if (requirepass !== undefined) lines.push(`requirepass ${requirepass}`, `masterauth ${requirepass}`);
  if (aclfile !== undefined) {
    await writeFile(path.join(dir, 'users.acl'), `${aclfile.trim()}\n`);
    lines.push(`aclfile ${dir}/users.acl`);
  }
  return [...lines, ...config.map((line) => line.replaceAll('%dir', dir).replaceAll('%port', String(port)))];
}

class Server implements RedisServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly dir: string;
  readonly url: string;
  readonly ca: string | null;
  readonly #mode: 'server' | 'sentinel';
  readonly #password: string | null;
  #process: ChildProcess | null = null;
  #pid = 0;
  #isStopped = false;

  constructor(dir: string, port: number, mode: 'server' | 'sentinel', ca: string | null, password: string | null) {
    this.dir = dir;
    this.port = port;
    this.ca = ca;
    this.#mode = mode;
    this.#password = password;
    const credentials = password === null ? '' : `:${encodeURIComponent(password)}@`;
    this.url = `${ca === null ? 'redis' : 'rediss'}://${credentials}${this.host}:${port}`;
  }

  get pid(): number {
    return this.#pid;
  }

  async restart(): Promise<void> {
    if (this.#isStopped) throw new Error('The server was stopped, and its directory is gone');
    await this.kill();
    const args = [path.join(this.dir, 'redis.conf'), ...(this.#mode === 'sentinel' ? ['--sentinel'] : [])];
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    guardProcess(child);
    const said: string[] = [];
    const started = new Promise<void>((resolve, reject) => {
      child.once('error', (cause) =>
        reject(new Error('There is no redis-server; ./setup.sh test installs it', { cause })),
      );
      child.once('exit', () => reject(new Error(`redis-server ended at once:\n${said.join('\n')}`)));
      // Read on after the start too: a full pipe would stop the server.
      createInterface(child.stdout).on('line', (line) => {
        if (said.length < 100) said.push(line);
        if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve();
      });
    });
    await within(START_MS, () => `redis-server is ready:\n${said.join('\n')}`, started);
    this.#pid = child.pid ?? 0;
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    // A frozen process takes no other signal than SIGKILL.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    await exit;
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async command(...args: readonly string[]): Promise<unknown> {
    const client = createClient({
      RESP: 2,
      socket: {
        ...(this.ca === null ? {} : { tls: true, ca: this.ca }),
        host: this.host,
        port: this.port,
        reconnectStrategy: false,
      },
      ...(this.#password === null ? {} : { password: this.#password }),
    });
    // The command itself rejects.
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.sendCommand([...args]);
    } finally {
      client.destroy();
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.kill();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Below the range from which the system gives ports to connections, and far enough from its end for the second port of
 * a cluster's node, which is 10,000 higher.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return true;
  } catch {
    return false; // somebody has it
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function putCertificate(dir: string): Promise<string> {
  const { certificate, key } = await makeCertificate(['IP:127.0.0.1']);
  await writeFile(path.join(dir, 'cert.pem'), certificate);
  await writeFile(path.join(dir, 'key.pem'), key);
  return certificate;
}
