import { describe, expect, it } from '@jest/globals';
import { problemOf, stageApp } from '../../test/support/app-stage.ts';
import { eventually } from '../../test/support/eventually.ts';

const stage = stageApp();

describe('every answer', () => {
  it.each(['/', '/health', '/api/v1/health', '/metrics', '/nowhere', '/api/v1/nowhere', '/favicon.svg'])(
    'carries a request id and the security headers: %s',
    async (path) => {
      const response = await fetch(stage.url + path);
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

  it('leaves the pages the camera, and takes away what they never use', async () => {
    for (const isProduction of [false, true]) {
      await stage.withServer({ isProduction }, async (base) => {
        const response = await fetch(`${base}/`);
        const policy = (response.headers.get('Permissions-Policy') ?? '').split(', ');
        expect(policy.filter((entry) => !entry.endsWith('=()'))).toEqual(['camera=(self)']);
        const off = ['geolocation', 'microphone', 'payment', 'usb', 'display-capture'].map((name) => `${name}=()`);
        expect(policy).toEqual(expect.arrayContaining(off));
        // Not named, so left to our own origin: the page copies and shares the pairing link.
        expect(policy.join()).not.toMatch(/clipboard|web-share/);
      });
    }
  });

  it('takes over a sane request id', async () => {
    for (const id of ['a', 'Trace_1.2-3', 'x'.repeat(128)]) {
      const response = await fetch(`${stage.url}/health/live`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('X-Request-Id')).toBe(id);
    }
  });

  it('makes a new request id for one that is not sane', async () => {
    for (const id of ['', 'x'.repeat(129), 'a b', '<script>', '{"a":1}', 'a,b', 'é']) {
      const response = await fetch(`${stage.url}/health/live`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('X-Request-Id')).toHaveLength(36);
    }
  });

  it('asks for HTTPS in production, and only over HTTPS', async () => {
    await stage.withServer({ isProduction: true }, async (base) => {
      const plain = await fetch(`${base}/`);
      const secure = await fetch(`${base}/`, { headers: { 'X-Forwarded-Proto': 'https' } });
      expect(plain.headers.get('Strict-Transport-Security')).toBeNull();
      expect(secure.headers.get('Strict-Transport-Security')).toBe('max-age=31536000');
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
    const { status, head, body } = await stage.raw('GET', target);
    expect(target.startsWith('/?') ? [200] : [400, 404]).toContain(status);
    if (status === 200) return;
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    expect(Object.keys(JSON.parse(body) as object)).toEqual(
      expect.arrayContaining(['type', 'title', 'status', 'detail', 'code', 'requestId']),
    );
    expect(body).not.toMatch(/<|at .*\.(ts|js):\d/);
  });

  it('answer an unknown route with UNKNOWN_COMMAND, to a browser too', async () => {
    const response = await fetch(`${stage.url}/api/v1/nowhere`, { headers: { Accept: 'text/html' } });
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({
      code: 'UNKNOWN_COMMAND',
      detail: 'There is no route GET /api/v1/nowhere.',
    });
  });

  it.each([
    ['DELETE', '/api/v1/x?token=SECRET', 'There is no route DELETE /api/v1/x.'],
    ['POST', `/${'a'.repeat(200)}`, `There is no route POST /${'a'.repeat(99)}….`],
    ['GET', '/api/<b>"x"&', 'There is no route GET /api/?b??x??.'],
    ['GET', '/api/%3Cb%3E%0d%0a', 'There is no route GET /api/%3Cb%3E%0d%0a.'],
  ])('name the route that is missing, and no more of the request: %s %s', async (method, target, detail) => {
    const { status, body } = await stage.raw(method, target);
    expect(status).toBe(404);
    expect(JSON.parse(body)).toMatchObject({ code: 'UNKNOWN_COMMAND', detail });
  });

  it.each([
    ['POST', '/api/v1/health', 405],
    ['PUT', '/api/v1/health', 405],
    ['POST', '/health', 405],
    ['POST', '/api/v1/nowhere', 404],
    ['DELETE', '/api/nowhere', 404],
  ])('tell the wrong method or route before a body that nobody reads: %s %s', async (method, path, status) => {
    for (const headers of [
      { 'Content-Type': 'text/plain' },
      { 'Content-Type': 'application/json', 'Content-Encoding': 'br' },
      { 'Content-Type': 'application/json' },
    ]) {
      const response = await fetch(stage.url + path, { method, body: 'nonsense', headers });
      expect(response.status).toBe(status);
      expect(response.headers.get('Allow')).toBe(status === 405 ? 'GET, HEAD, OPTIONS' : null);
      await problemOf(response);
    }
  });

  it.each([
    ['no Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['two of them', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n'],
    ['two of them in HTTP/1.0', 'GET /nowhere HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n'],
  ])('answer a request with %s with a problem', async (_name, request) => {
    const { status, head, body } = await stage.wire(request);
    expect(status).toBe(400);
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    expect(head).toMatch(/^x-content-type-options: nosniff/im);
    expect(JSON.parse(body)).toMatchObject({
      code: 'INVALID_PAYLOAD',
      requestId: /^x-request-id: (\S+)/im.exec(head)?.[1],
      issues: [{ path: 'host', message: expect.any(String) }],
    });
  });

  it('need no Host in HTTP/1.0, as the probes of old balancers', async () => {
    expect((await stage.wire('GET /health/live HTTP/1.0\r\n\r\n')).status).toBe(200);
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
    const { status, head, body } = await stage.raw(method, path);
    expect(status).toBe(405);
    expect(head).toMatch(/^allow: GET, HEAD, OPTIONS$/im);
    expect(JSON.parse(body)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 });
  });

  it.each(['/health', '/metrics', '/', '/docs/protocol', '/favicon.svg'])('tell the methods of %s', async (path) => {
    const response = await fetch(stage.url + path, { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(response.headers.get('Allow')).toBe('GET, HEAD, OPTIONS');
  });

  it('answer HEAD as GET without a body', async () => {
    for (const path of ['/health', '/metrics', '/', '/favicon.svg', '/nowhere']) {
      const { status, head, body } = await stage.raw('HEAD', path);
      expect([path, status]).toEqual([path, path === '/nowhere' ? 404 : 200]);
      expect(head).toMatch(/^content-length: [1-9]/im);
      expect(body).toBe('');
    }
  });

  it('answer a fault of ours with INTERNAL, log it under the same id and tell nothing of it', async () => {
    const broken = { ...stage.health, live: () => raise(new Error('SECRET')) };
    await stage.withServer({ health: broken }, async (base) => {
      const response = await fetch(`${base}/health/live`, { headers: { 'X-Request-Id': 'trace-1' } });
      expect(response.status).toBe(500);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ code: 'INTERNAL', requestId: 'trace-1' });
      expect(JSON.stringify(problem)).not.toContain('SECRET');
      const line = await eventually(async () => Promise.resolve(JSON.parse(stage.logged) as Record<string, unknown>));
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
    const response = await fetch(`${stage.url}/api/v1/health`, { headers: { Origin: 'https://app.example' } });
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('https://app.example');
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull();
    expect(response.headers.get('Vary')).toContain('Origin');
  });

  it('are told so before the request', async () => {
    const headers = { Origin: 'https://app.example', ...preflight };
    const response = await fetch(`${stage.url}/api/v1/sessions`, { method: 'OPTIONS', headers });
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
      const response = await fetch(`${stage.url}/health`, { method, headers: { Origin: origin, ...preflight } });
      const names = [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));
      expect(names).toEqual([]);
      expect(response.headers.get('Vary')).toContain('Origin');
    }
  });

  it('may all read the API when the list is open', async () => {
    await stage.withServer({ corsOrigins: '*' }, async (base) => {
      const response = await fetch(`${base}/health`, { headers: { Origin: 'https://anybody.example' } });
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    });
  });

  it('get no leave for pages and metrics', async () => {
    for (const path of ['/', '/metrics']) {
      const response = await fetch(stage.url + path, { headers: { Origin: 'https://app.example' } });
      expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull();
    }
  });
});

function raise(error: Error): never {
  throw error;
}
