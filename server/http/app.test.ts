import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClientIp } from '../limits/client-ip.ts';
import { createHealth, type Health } from '../observability/health.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { createApp, type AppOptions } from './app.ts';

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

describe('every answer', () => {
  it.each(['/', '/health', '/api/v1/health', '/metrics', '/nowhere', '/api/v1/nowhere', '/favicon.svg'])(
    'carries a request id and the security headers: %s',
    async (path) => {
      const response = await fetch(url + path);
      expect(response.headers.get('X-Request-Id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
      expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(response.headers.get('X-Powered-By')).toBeNull();
      expect(response.headers.get('Strict-Transport-Security')).toBeNull();
      const policy = response.headers.get('Content-Security-Policy') ?? '';
      expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|upgrade-insecure-requests|\*/);
      for (const directive of ["script-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]) {
        expect(policy.split(';')).toContain(directive);
      }
      await response.text();
    },
  );

  it('takes over a sane request id', async () => {
    for (const id of ['a', 'Trace_1.2-3', 'x'.repeat(128)]) {
      const response = await fetch(`${url}/health/live`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('X-Request-Id')).toBe(id);
    }
  });

  it('makes a new request id for one that is not sane', async () => {
    for (const id of ['', 'x'.repeat(129), 'a b', '<script>', '{"a":1}', 'a,b', 'é']) {
      const response = await fetch(`${url}/health/live`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('X-Request-Id')).toHaveLength(36);
    }
  });

  it('asks for HTTPS in production, and only over HTTPS', async () => {
    await withServer({ isProduction: true }, async (base) => {
      const plain = await fetch(`${base}/`);
      const secure = await fetch(`${base}/`, { headers: { 'X-Forwarded-Proto': 'https' } });
      expect(plain.headers.get('Strict-Transport-Security')).toBeNull();
      expect(secure.headers.get('Strict-Transport-Security')).toBe('max-age=31536000; includeSubDomains');
    });
  });
});

describe('bad requests', () => {
  it.each([
    '/%E0%A4%A',
    '/%',
    '/%00',
    '/docs/%00',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/../../etc/passwd',
    '/docs/..%5c..%5cetc',
    '/api/v1/..%2f..',
    '/api/%E0%A4%A',
    '//evil.example/%2e%2e',
    '/%c0%ae%c0%ae/etc',
    'http://[/',
    'http://evil.example/nowhere',
    '*',
    '/?a[b]=1&a[]=2&__proto__[x]=1%',
    `/${'a'.repeat(200)}`,
  ])('answer %s with a problem and never with HTML', async (target) => {
    const { status, head, body } = await raw('GET', target);
    expect(target.startsWith('/?') ? [200] : [400, 404]).toContain(status);
    if (status === 200) return;
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    expect(Object.keys(JSON.parse(body) as object)).toEqual(
      expect.arrayContaining(['type', 'title', 'status', 'detail', 'code', 'requestId']),
    );
    expect(body).not.toMatch(/<|at .*\.(ts|js):\d/);
  });

  it('answer an unknown route with UNKNOWN_COMMAND, to a browser too', async () => {
    const response = await fetch(`${url}/api/v1/nowhere`, { headers: { Accept: 'text/html' } });
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: 'UNKNOWN_COMMAND' });
  });

  it.each([
    ['POST', '/health'],
    ['DELETE', '/health/live'],
    ['PUT', '/api/v1/health'],
    ['PATCH', '/metrics'],
    ['POST', '/'],
    ['POST', '/docs/protocol'],
    ['DELETE', '/favicon.svg'],
    ['TRACE', '/health'],
    ['PROPFIND', '/health'],
  ])('answer %s %s with 405 and Allow', async (method, path) => {
    const { status, head, body } = await raw(method, path);
    expect(status).toBe(405);
    expect(head).toMatch(/^allow: GET, HEAD, OPTIONS$/im);
    expect(JSON.parse(body)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 });
  });

  it.each(['/health', '/metrics', '/', '/docs/protocol', '/favicon.svg'])('tell the methods of %s', async (path) => {
    const response = await fetch(url + path, { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(response.headers.get('Allow')).toBe('GET, HEAD, OPTIONS');
  });

  it('answer HEAD as GET without a body', async () => {
    for (const path of ['/health', '/metrics', '/', '/favicon.svg', '/nowhere']) {
      const { status, head, body } = await raw('HEAD', path);
      expect([path, status]).toEqual([path, path === '/nowhere' ? 404 : 200]);
      expect(head).toMatch(/^content-length: [1-9]/im);
      expect(body).toBe('');
    }
  });

  it('answer a fault of ours with INTERNAL, log it under the same id and tell nothing of it', async () => {
    const broken = { ...health, live: () => raise(new Error('SECRET')) };
    await withServer({ health: broken }, async (base) => {
      const response = await fetch(`${base}/health/live`, { headers: { 'X-Request-Id': 'trace-1' } });
      expect(response.status).toBe(500);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ code: 'INTERNAL', requestId: 'trace-1' });
      expect(JSON.stringify(problem)).not.toContain('SECRET');
      const line = JSON.parse(logged) as Record<string, unknown>;
      expect(line).toMatchObject({
        event: 'internal_error',
        level: 'error',
        requestId: 'trace-1',
        route: '/health/live',
      });
      expect(line.error).toMatchObject({ name: 'Error', message: 'SECRET' });
    });
  });
});

describe('other origins', () => {
  const preflight = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' };

  it('may read the API when they are listed', async () => {
    const response = await fetch(`${url}/api/v1/health`, { headers: { Origin: 'https://app.example' } });
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('https://app.example');
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull();
    expect(response.headers.get('Vary')).toContain('Origin');
  });

  it('are told so before the request', async () => {
    const headers = { Origin: 'https://app.example', ...preflight };
    const response = await fetch(`${url}/api/v1/sessions`, { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('https://app.example');
    expect(response.headers.get('Access-Control-Allow-Methods')).toContain('POST');
    expect(response.headers.get('Access-Control-Allow-Headers')).toContain('Authorization');
  });

  it.each([
    'https://evil.example',
    'null',
    'https://app.example.evil.example',
    'https://evil-app.example',
    'http://app.example',
    'https://app.example:8443',
    'https://APP.example',
    'https://app.example/',
  ])('get no leave as %s, and caches are told', async (origin) => {
    for (const method of ['GET', 'OPTIONS']) {
      const response = await fetch(`${url}/health`, { method, headers: { Origin: origin, ...preflight } });
      const names = [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));
      expect(names).toEqual([]);
      expect(response.headers.get('Vary')).toContain('Origin');
    }
  });

  it('may all read the API when the list is open', async () => {
    await withServer({ corsOrigins: '*' }, async (base) => {
      const response = await fetch(`${base}/health`, { headers: { Origin: 'https://anybody.example' } });
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    });
  });

  it('get no leave for pages and metrics', async () => {
    for (const path of ['/', '/metrics']) {
      const response = await fetch(url + path, { headers: { Origin: 'https://app.example' } });
      expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull();
    }
  });
});

function raise(error: Error): never {
  throw error;
}
