import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClientIp } from '../../limits/client-ip.ts';
import { createHealth, type Health } from '../../observability/health.ts';
import { createLogger, type Logger } from '../../observability/logger.ts';
import { createMetrics, type Metrics } from '../../observability/metrics.ts';
import { createApp, type AppOptions } from '../app.ts';

let webDir: string;
let logged: string;
let logger: Logger;
let metrics: Metrics;
let health: Health;
let isDraining: boolean;
let isDatabaseWell: boolean;
let server: Server;
let url: string;

beforeAll(async () => {
  webDir = await mkdtemp(join(tmpdir(), 'tandem-web-'));
  await mkdir(join(webDir, 'docs'));
  await mkdir(join(webDir, 'assets'));
  await mkdir(join(webDir, '.git'));
  await writeFile(join(webDir, 'index.html'), '<!doctype html><title>pair</title>');
  await writeFile(join(webDir, 'docs', 'index.html'), '<!doctype html><title>docs</title>');
  await writeFile(join(webDir, 'docs', 'protocol.html'), '<!doctype html><title>protocol</title>');
  await writeFile(join(webDir, 'assets', 'app-3F2A9C1B.js'), 'export {};');
  await writeFile(join(webDir, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(join(webDir, '.env'), 'SECRET=1');
  await writeFile(join(webDir, '.git', 'config'), 'SECRET=1');
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      logged += chunk.toString();
      callback();
    },
  });
  logger = createLogger({ level: 'info', dir: null, retentionDays: 1, format: 'json', instanceId: 'i-1', stdout });
  metrics = createMetrics({ version: '1.2.3' });
  health = await runningHealth();
  ({ server, url } = await listen());
});

beforeEach(() => {
  logged = '';
  isDraining = false;
  isDatabaseWell = true;
});

afterAll(async () => {
  health.stop();
  await closed(server);
  await logger.close();
  await rm(webDir, { recursive: true, force: true });
});

/** A health whose first looks have ended. */
async function runningHealth(): Promise<Health> {
  const created = createHealth({
    version: '1.2.3',
    instanceId: 'i-1',
    startedAt: Date.now(),
    database: () => (isDatabaseWell ? Promise.resolve() : Promise.reject(new Error('gone'))),
    delivery: () => Promise.resolve(),
    isDraining: () => isDraining,
    now: () => Date.now(),
  });
  isDatabaseWell = true;
  isDraining = false;
  created.start();
  while (created.ready().status !== 'ready') await new Promise((resolve) => setImmediate(resolve));
  return created;
}

async function listen(options: Partial<AppOptions> = {}): Promise<{ server: Server; url: string }> {
  const app = createApp({
    health,
    metrics,
    logger,
    clientIp: createClientIp({ kind: 'hops', hops: 0 }),
    webDir,
    metricsToken: null,
    corsOrigins: ['https://app.example'],
    isProduction: false,
    ...options,
  });
  const created = createServer(app);
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve));
  return { server: created, url: `http://127.0.0.1:${(created.address() as AddressInfo).port}` };
}

async function closed(target: Server): Promise<void> {
  target.closeAllConnections();
  await new Promise((resolve) => target.close(resolve));
}

/** Runs with a server of other options. */
async function withServer(options: Partial<AppOptions>, use: (base: string) => Promise<void>): Promise<void> {
  const other = await listen(options);
  try {
    await use(other.url);
  } finally {
    await closed(other.server);
  }
}

/** Sends the request line as it is: fetch would tidy up the path. */
async function raw(
  method: string,
  target: string,
  headers = '',
): Promise<{ status: number; head: string; body: string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`);
  const answer = await text(socket);
  const [head = '', ...body] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head, body: body.join('\r\n\r\n') };
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('Content-Type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: response.status, requestId: response.headers.get('X-Request-Id') });
  return problem;
}

describe('health', () => {
  it('is alive', async () => {
    const response = await fetch(`${url}/health/live`);
    expect(response.status).toBe(200);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(await response.json()).toEqual({
      status: 'alive',
      uptimeSeconds: expect.any(Number),
      version: '1.2.3',
      instanceId: 'i-1',
    });
  });

  it('answers 503 while it drains, and stays alive', async () => {
    isDraining = true;
    const ready = await fetch(`${url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ status: 'not_ready', checks: { drain: { status: 'failed' } } });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    isDraining = false;
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });

  it('gives the same report in two places', async () => {
    for (const path of ['/health', '/api/v1/health']) {
      const response = await fetch(url + path);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({
        status: 'healthy',
        timestamp: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
        uptimeSeconds: expect.any(Number),
        services: {
          database: { status: 'ok', latencyMs: expect.any(Number), type: 'embedded' },
          redis: { status: 'disabled', latencyMs: null, connected: false },
        },
      });
    }
  });

  it('answers 503 before the first look', async () => {
    const fresh = createHealth({
      version: '1',
      instanceId: 'i',
      startedAt: 0,
      database: () => Promise.resolve(),
      delivery: () => Promise.resolve(),
      isDraining: () => false,
      now: () => 0,
    });
    await withServer({ health: fresh }, async (base) => {
      expect((await fetch(`${base}/health/ready`)).status).toBe(503);
      expect((await fetch(`${base}/health`)).status).toBe(503);
    });
  });
});

describe('metrics', () => {
  it('come as text, OpenMetrics or JSON', async () => {
    const plain = await fetch(`${url}/metrics`);
    expect(plain.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await plain.text()).toContain('\ntandem_build_info{version="1.2.3"} 1\n');
    const open = await fetch(`${url}/metrics`, { headers: { Accept: 'application/openmetrics-text;version=1.0.0' } });
    expect(open.headers.get('Content-Type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect((await open.text()).endsWith('# EOF\n')).toBe(true);
    const json = await fetch(`${url}/metrics`, { headers: { Accept: 'application/json' } });
    expect(json.headers.get('Content-Type')).toMatch(/^application\/json/);
    expect(await json.json()).toMatchObject({
      memory: { rss: expect.any(Number) },
      cpu: {},
      uptime: expect.any(Number),
    });
  });

  it('measure requests by route pattern, never by URL', async () => {
    await (await fetch(`${url}/docs/protocol?secret=SECRET-1`)).text();
    await (await fetch(`${url}/SECRET-2/SECRET-3`)).text();
    await (await fetch(`${url}/favicon.svg`)).text();
    await raw('PROPFIND', '/SECRET-4');
    const body = await (await fetch(`${url}/metrics`)).text();
    expect(body).not.toContain('SECRET');
    expect(body).toContain('_count{method="GET",route="/docs/:page",status="200"} 1');
    expect(body).toContain('_count{method="GET",route="static",status="200"} ');
    expect(body).toMatch(/_count\{method="GET",route="unmatched",status="404"\} \d/);
    expect(body).toContain('_count{method="OTHER",route="unmatched",status="404"} 1');
  });

  it('need the token when there is one', async () => {
    await withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
      const get = (authorization: string) => fetch(`${base}/metrics`, { headers: { Authorization: authorization } });
      expect((await get('Bearer the-metrics-token')).status).toBe(200);
      expect((await get('bearer the-metrics-token')).status).toBe(200);
      const wrong = [
        '',
        'Bearer',
        'Bearer ',
        'the-metrics-token',
        'Basic the-metrics-token',
        'Bearer the-metrics-toke',
      ];
      for (const authorization of [...wrong, 'Bearer the-metrics-token2', 'Bearer the-metrics-token, Bearer x']) {
        const response = await get(authorization);
        expect([authorization, response.status]).toEqual([authorization, 401]);
        expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="tandem"');
        expect(await problemOf(response)).toMatchObject({ code: 'UNAUTHENTICATED' });
      }
      expect(logged).toContain('"event":"auth_failed"');
      expect(logged).not.toContain('the-metrics-toke');
    });
  });

  it('take no token that is sent twice', async () => {
    await withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      const header = 'Authorization: Bearer the-metrics-token\r\n';
      socket.write(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${header}${header}\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 401 /);
    });
  });
});

describe('pages', () => {
  it.each([
    ['/', 'pair'],
    ['/docs', 'docs'],
    ['/docs/', 'docs'],
    ['/docs/protocol', 'protocol'],
    ['/docs/protocol.html', 'protocol'],
  ])('serve %s, to be asked for again each time', async (path, title) => {
    const response = await fetch(url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('Cache-Control')).toBe('no-cache');
    expect(await response.text()).toContain(`<title>${title}</title>`);
  });

  it('answer 304 to who has them', async () => {
    const first = await fetch(`${url}/`);
    const etag = first.headers.get('ETag') ?? '';
    expect(etag).not.toBe('');
    const answer = await raw('GET', '/', `If-None-Match: ${etag}\r\n`);
    expect(answer.status).toBe(304);
  });

  it('let files with a hash in their name be cached for good, and no others', async () => {
    const hashed = await fetch(`${url}/assets/app-3F2A9C1B.js`);
    expect(hashed.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable');
    const plain = await fetch(`${url}/favicon.svg`);
    expect(plain.headers.get('Cache-Control')).toBe('no-cache');
  });

  it.each(['/.env', '/%2eenv', '/.git/config', '/docs/.env', '/docs/nothing', '/assets', '/docs/a%2fb'])(
    'do not serve %s',
    async (path) => {
      const response = await fetch(url + path, { headers: { Accept: 'text/html' } });
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: 'UNKNOWN_COMMAND' });
    },
  );

  it('are 404 where none have been built', async () => {
    await withServer({ webDir: join(webDir, 'missing') }, async (base) => {
      for (const path of ['/', '/docs', '/docs/protocol', '/app.js']) {
        expect((await fetch(base + path)).status).toBe(404);
      }
    });
  });
});
