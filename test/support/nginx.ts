import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { within } from './deadline.ts';
import { eventually } from './eventually.ts';
import { guardDirectory } from './process-guard.ts';

const CONFIGURATION = path.join(import.meta.dirname, '../../deploy/nginx');
const START_MS = 10_000;
const EXIT_MS = 10_000;

export interface Nginx {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** The lines of its access log so far. */
  requests(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Debian's nginx with the configuration of deploy/nginx, where nothing but ports and directories is changed. */
export async function startNginx(instancePorts: readonly number[]): Promise<Nginx> {
  const dir = await mkdtemp(path.join(tmpdir(), 'tandem-nginx-'));
  guardDirectory(dir);
  const [port = 0] = await freePorts(1);
  await renderNginx(dir, port, instancePorts);
  // A file, because nginx cannot open the sockets that Node.js makes of pipes.
  const log = openSync(path.join(dir, 'access.log'), 'a');
  const child = spawn('nginx', nginxArguments(dir), { stdio: ['ignore', log, 'pipe'], detached: true });
  closeSync(log);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const life = { isGone: false };
  const gone = once(child, 'close').then(
    () => {
      life.isGone = true;
    },
    (cause: unknown) => {
      life.isGone = true;
      throw new Error('There is no nginx; ./setup.sh test installs it (Debian: apt-get install nginx-light)', {
        cause,
      });
    },
  );
  gone.catch(() => undefined); // Awaited below; until then nobody's.
  if (child.pid !== undefined) killGroupWithUs(child.pid);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await within(EXIT_MS, () => 'nginx was told to end and did not', gone);
    await rm(dir, { recursive: true, force: true });
  };
  const listens = eventually(() => (life.isGone ? Promise.resolve() : reach(port)), START_MS);
  await Promise.race([listens, gone]);
  if (life.isGone) {
    await gone;
    throw new Error(`nginx ended at its start:\n${said}`);
  }
  return {
    host: '127.0.0.1',
    port,
    url: `http://127.0.0.1:${port}`,
    requests: async () => (await readFile(path.join(dir, 'access.log'), 'utf8')).split('\n').filter(Boolean),
    stop,
  };
}

/** Writes the configuration of deploy/nginx into `dir`, for these ports. Throws when it has not what is to be changed. */
export async function renderNginx(dir: string, port: number, instancePorts: readonly number[]): Promise<void> {
  await render('nginx.conf', dir, [[/\/tmp\//g, `${dir}/`]]);
  await render('tandem.conf', dir, [[/^ {2}listen 8080;$/m, `  listen 127.0.0.1:${port};`]]);
  const servers = instancePorts.map((instancePort) => `  server 127.0.0.1:${instancePort} $1`).join('\n');
  // In both of its lists.
  await render('upstream.conf', dir, [[/^ {2}server tandem-1:3001 (.*)\n {2}server tandem-2:3001 .*$/gm, servers]]);
}

export function nginxArguments(dir: string): string[] {
  // Of root the workers would be nobody, who cannot enter the directory of a test.
  const user = process.getuid?.() === 0 ? ' user root;' : '';
  return ['-e', 'stderr', '-c', path.join(dir, 'nginx.conf'), '-g', `daemon off;${user}`];
}

/**
 * Ports that nobody listens on now, for servers that come back at the port that they had: not of those that the system
 * gives to outgoing connections, which would take them meanwhile.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function render(name: string, dir: string, changes: readonly (readonly [RegExp, string])[]): Promise<void> {
  let text = await readFile(path.join(CONFIGURATION, name), 'utf8');
  for (const [pattern, replacement] of changes) {
    const changed = text.replace(pattern, replacement);
    if (changed === text) throw new Error(`deploy/nginx/${name} has nothing that matches ${String(pattern)}`);
    text = changed;
  }
  await writeFile(path.join(dir, name), text);
}

/** The workers of a master that was killed go on: when this process is gone, however it went, the whole group goes. */
function killGroupWithUs(pid: number): void {
  const script = 'cat >/dev/null; kill -9 -- "-$0"';
  const guard = spawn('sh', ['-c', script, String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.unref();
  // A pipe of a child does not show in its type that it can be left out of account.
  (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
}

async function reach(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
