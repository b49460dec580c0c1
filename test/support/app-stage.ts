import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect } from '@jest/globals';
import { createApp, type AppOptions } from '../../server/http/app.ts';
import { createTokenGuard } from '../../server/http/middleware/token-guard.ts';
import { hardenServer, SERVER_OPTIONS } from '../../server/http/harden-server.ts';
import { createClientIp } from '../../server/limits/client-ip.ts';
import { createDetailedHealth, type DetailedHealthOptions } from '../../server/observability/health-detailed.ts';
import { createHealth, type Health } from '../../server/observability/health.ts';
import { createLogger, type Logger } from '../../server/observability/logger.ts';
import { createMetrics, type Metrics } from '../../server/observability/metrics.ts';

/** What `/assets/large-3F2A9C1B.js` (with both variants) and `/client/tandem.js` (with `.gz` alone) hold. */
export const LARGE_SCRIPT = `export const numbers = [${Array.from({ length: 999 }, (_, number) => number).join()}];\n`;

/** What a detailed report is made of, apart from the health that it repeats. */
export const DETAILED: Omit<DetailedHealthOptions, 'health'> = {
  version: '1.2.3',
  durability: () => 'archived',
  eventLoopLagSeconds: () => 0.001,
  cacheType: 'memory',
  cache: () => Promise.resolve({ hits: 3, misses: 1, totalKeys: 2, memoryUsedBytes: 4096 }),
  storageDir: tmpdir(),
  logger: { dropped: () => 0, droppedAt: () => null },
  stats: () => ({ sessions: 1, participants: 2, connections: 2, messages: 5 }),
  countUsers: () => Promise.resolve(0),
  countSetAside: () => Promise.resolve(0),
  mail: () => 'disabled',
};

/** The routes of the API have tests of their own, on a whole server. */
const NO_API: AppOptions['api'] = {
  routes: [],
  version: '1.2.3',
  identify: () => Promise.reject(new Error('there is no route')),
  count: () => Promise.reject(new Error('there is no route')),
  log: { authPassed: () => undefined, authFailed: () => undefined, rateLimited: () => undefined },
};

/** The Express app on a free port, behind the bounds of the real server, with pages of its own and a health that tests can turn. */
export class AppStage {
  url = '';
  logged = '';
  isDraining = false;
  isDatabaseWell = true;
  readonly metrics: Metrics = createMetrics({ version: '1.2.3' });
  readonly health: Health;
  webDir = '';
  readonly #logger: Logger;
  #server: Server | null = null;

  constructor() {
    const stdout = new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        this.logged += chunk.toString();
        callback();
      },
    });
    this.#logger = createLogger({
      level: 'info',
      dir: null,
      retentionDays: 1,
      format: 'json',
      instanceId: 'i-1',
      stdout,
    });
    this.health = createHealth({
      version: '1.2.3',
      instanceId: 'i-1',
      startedAt: Date.now(),
      database: () => (this.isDatabaseWell ? Promise.resolve() : Promise.reject(new Error('gone'))),
      databaseType: 'embedded',
      redis: null,
      delivery: () => Promise.resolve(),
      isDraining: () => this.isDraining,
      now: () => Date.now(),
    });
  }

  async start(): Promise<void> {
    this.webDir = await makePages();
    this.health.start();
    while (this.health.ready().status !== 'ready') await new Promise((resolve) => setImmediate(resolve));
    ({ server: this.#server, url: this.url } = await this.#listen());
  }

  async stop(): Promise<void> {
    this.health.stop();
    if (this.#server !== null) await closed(this.#server);
    await this.#logger.close();
    await rm(this.webDir, { recursive: true, force: true });
  }

  /** Runs with a server of other options. */
  async withServer(options: Partial<AppOptions>, use: (base: string) => Promise<void>): Promise<void> {
    const other = await this.#listen(options);
    try {
      await use(other.url);
    } finally {
      await closed(other.server);
    }
  }

  /** Sends the request line as it is: fetch would tidy up the path. */
  async raw(
    method: string,
    target: string,
    headers = '',
    base = this.url,
  ): Promise<{ status: number; head: string; body: string }> {
    return await this.wire(
      `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`,
      base,
    );
  }

  /** Sends bytes that need not be a request, and reads until the server ends the connection. */
  async wire(bytes: string, base = this.url): Promise<{ status: number; head: string; body: string }> {
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.write(bytes);
    const answer = await text(socket);
    const [head = '', ...body] = answer.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), head, body: body.join('\r\n\r\n') };
  }

  async #listen(options: Partial<AppOptions> = {}): Promise<{ server: Server; url: string }> {
    const app = createApp({
      health: this.health,
      detailedHealth: createDetailedHealth({ ...DETAILED, health: this.health }),
      metrics: this.metrics,
      logger: this.#logger,
      guard: createTokenGuard({
        metrics: this.metrics,
        logger: this.#logger,
        clientIp: createClientIp({ kind: 'hops', hops: 0 }),
      }),
      api: NO_API,
      webDir: this.webDir,
      adminToken: null,
      metricsToken: null,
      corsOrigins: ['https://app.example'],
      isProduction: false,
      ...options,
    });
    const server = createServer(SERVER_OPTIONS, app);
    hardenServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }
}

/** A stage for the tests of one file. */
export function stageApp(): AppStage {
  const stage = new AppStage();
  beforeAll(() => stage.start());
  beforeEach(() => {
    stage.logged = '';
    stage.isDraining = false;
    stage.isDatabaseWell = true;
  });
  afterAll(() => stage.stop());
  return stage;
}

/** The problem document of an answer, whose status and request id are those of the answer. */
export async function problemOf(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('Content-Type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: response.status, requestId: response.headers.get('X-Request-Id') });
  return problem;
}

async function makePages(): Promise<string> {
  const webDir = await mkdtemp(join(tmpdir(), 'tandem-web-'));
  for (const directory of ['docs', 'assets', 'client', '.git']) await mkdir(join(webDir, directory));
  await writeFile(join(webDir, 'index.html'), '<!doctype html><title>pair</title>');
  await writeFile(join(webDir, 'console.html'), '<!doctype html><title>console</title>');
  await writeFile(join(webDir, 'docs', 'index.html'), '<!doctype html><title>docs</title>');
  await writeFile(join(webDir, 'docs', 'protocol.html'), '<!doctype html><title>protocol</title>');
  await writeFile(join(webDir, 'assets', 'app-3F2A9C1B.js'), 'export {};');
  await writeFile(join(webDir, 'assets', 'large-3F2A9C1B.js'), LARGE_SCRIPT);
  await writeFile(join(webDir, 'assets', 'large-3F2A9C1B.js.br'), brotliCompressSync(LARGE_SCRIPT));
  await writeFile(join(webDir, 'assets', 'large-3F2A9C1B.js.gz'), gzipSync(LARGE_SCRIPT));
  await writeFile(join(webDir, 'client', 'tandem.js'), LARGE_SCRIPT);
  await writeFile(join(webDir, 'client', 'tandem.js.gz'), gzipSync(LARGE_SCRIPT));
  await writeFile(join(webDir, 'client', 'tandem.js.map'), '{"version":3}');
  await writeFile(join(webDir, 'client', 'other.js'), 'export {};');
  await writeFile(join(webDir, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(join(webDir, '.env'), 'SECRET=1');
  await writeFile(join(webDir, '.git', 'config'), 'SECRET=1');
  return webDir;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
