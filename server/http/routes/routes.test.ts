import { describe, expect, it } from '@jest/globals';
import { DETAILED, problemOf, stageApp } from '../../../test/support/app-stage.ts';
import { createDetailedHealth } from '../../observability/health-detailed.ts';
import { createHealth } from '../../observability/health.ts';

const stage = stageApp();

describe('health', () => {
  it('is alive', async () => {
    const response = await fetch(`${stage.url}/health/live`);
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
    stage.isDraining = true;
    const ready = await fetch(`${stage.url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ status: 'not_ready', checks: { drain: { status: 'failed' } } });
    expect((await fetch(`${stage.url}/health/live`)).status).toBe(200);
    stage.isDraining = false;
    expect((await fetch(`${stage.url}/health/ready`)).status).toBe(200);
  });

  it('gives the same report in two places', async () => {
    for (const path of ['/health', '/api/v1/health']) {
      const response = await fetch(stage.url + path);
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
      databaseType: 'embedded',
      redis: null,
      delivery: () => Promise.resolve(),
      isDraining: () => false,
      now: () => 0,
    });
    await stage.withServer({ health: fresh }, async (base) => {
      expect((await fetch(`${base}/health/ready`)).status).toBe(503);
      expect((await fetch(`${base}/health`)).status).toBe(503);
    });
  });
});

describe('the detailed health', () => {
  const adminToken = 'the-admin-token-16';
  const get = (base: string, authorization?: string) =>
    fetch(`${base}/health/detailed`, authorization === undefined ? {} : { headers: { Authorization: authorization } });

  it('is for the holder of the admin token', async () => {
    await stage.withServer({ adminToken, metricsToken: 'the-metrics-token' }, async (base) => {
      const response = await get(base, `Bearer ${adminToken}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('Cache-Control')).toBe('no-store');
      expect(await response.json()).toMatchObject({
        status: 'healthy',
        services: { database: { status: 'ok' } },
        version: '1.2.3',
        durability: 'archived',
        checks: { cache: { type: 'memory', hits: 3, hitRate: 0.75 }, mail: { status: 'disabled' } },
        stats: { messages: 5 },
      });
      for (const authorization of [undefined, '', 'Bearer', `Basic ${adminToken}`, 'Bearer the-metrics-token']) {
        const refused = await get(base, authorization);
        expect([authorization, refused.status]).toEqual([authorization, 401]);
        expect(refused.headers.get('WWW-Authenticate')).toBe('Bearer realm="tandem"');
        expect(await problemOf(refused)).toMatchObject({ code: 'UNAUTHENTICATED' });
      }
      expect(stage.logged).toContain('"reason":"admin_token"');
      expect(stage.logged).not.toContain(adminToken);
    });
  });

  it('is for nobody where there is no admin token', async () => {
    for (const authorization of [undefined, 'Bearer null', 'Bearer undefined']) {
      expect((await get(stage.url, authorization)).status).toBe(401);
    }
  });

  it('comes with 503 when the server is unhealthy', async () => {
    const summary = { ...stage.health.summary(), status: 'unhealthy' as const };
    const detailedHealth = createDetailedHealth({ ...DETAILED, health: { summary: () => summary } });
    await stage.withServer({ adminToken, detailedHealth }, async (base) => {
      const response = await get(base, `Bearer ${adminToken}`);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ status: 'unhealthy', checks: {} });
    });
  });
});

describe('metrics', () => {
  it('come as text, OpenMetrics or JSON', async () => {
    const plain = await fetch(`${stage.url}/metrics`);
    expect(plain.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await plain.text()).toContain('\ntandem_build_info{version="1.2.3"} 1\n');
    const open = await fetch(`${stage.url}/metrics`, {
      headers: { Accept: 'application/openmetrics-text;version=1.0.0' },
    });
    expect(open.headers.get('Content-Type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect((await open.text()).endsWith('# EOF\n')).toBe(true);
    const json = await fetch(`${stage.url}/metrics`, { headers: { Accept: 'application/json' } });
    expect(json.headers.get('Content-Type')).toMatch(/^application\/json/);
    expect(await json.json()).toMatchObject({
      memory: { rss: expect.any(Number) },
      cpu: {},
      uptime: expect.any(Number),
    });
  });

  it('measure requests by route pattern, never by URL', async () => {
    await (await fetch(`${stage.url}/docs/protocol?secret=SECRET-1`)).text();
    await (await fetch(`${stage.url}/SECRET-2/SECRET-3`)).text();
    await (await fetch(`${stage.url}/favicon.svg`)).text();
    await stage.raw('PROPFIND', '/SECRET-4');
    const body = await (await fetch(`${stage.url}/metrics`)).text();
    expect(body).not.toContain('SECRET');
    expect(body).toContain('_count{method="GET",route="/docs/:page",status="200"} 1');
    expect(body).toContain('_count{method="GET",route="static",status="200"} ');
    expect(body).toMatch(/_count\{method="GET",route="unmatched",status="404"\} \d/);
    expect(body).toContain('_count{method="OTHER",route="unmatched",status="404"} 1');
  });

  it('need the token when there is one', async () => {
    await stage.withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
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
      expect(stage.logged).toContain('"event":"auth_failed"');
      expect(stage.logged).not.toContain('the-metrics-toke');
    });
  });

  it('count tokens that are refused', async () => {
    await stage.withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
      const rejected = async () =>
        Number(/^tandem_auth_total\{outcome="rejected"\} (\d+)$/m.exec((await stage.metrics.text()).body)?.[1]);
      const before = await rejected();
      await (await fetch(`${base}/metrics`)).text();
      await (await fetch(`${base}/metrics`, { headers: { Authorization: 'Bearer wrong' } })).text();
      expect(await rejected()).toBe(before + 2);
      await (await fetch(`${base}/metrics`, { headers: { Authorization: 'Bearer the-metrics-token' } })).text();
      expect(await rejected()).toBe(before + 2);
    });
  });

  it('refuse a token of 20 kB as any other, and headers of 40 kB as too large', async () => {
    await stage.withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
      const get = (size: number) => stage.raw('GET', '/metrics', `Authorization: Bearer ${'x'.repeat(size)}\r\n`, base);
      const refused = await get(20_000);
      expect(refused.status).toBe(401);
      expect(JSON.parse(refused.body)).toMatchObject({ code: 'UNAUTHENTICATED' });
      const tooLarge = await get(40_000);
      expect(tooLarge.status).toBe(431);
      expect(JSON.parse(tooLarge.body)).toMatchObject({ status: 431, detail: expect.stringContaining('32 KiB') });
    });
  });

  it('take no token that is sent twice', async () => {
    await stage.withServer({ metricsToken: 'the-metrics-token' }, async (base) => {
      const header = 'Authorization: Bearer the-metrics-token\r\n';
      expect((await stage.raw('GET', '/metrics', header + header, base)).status).toBe(401);
    });
  });
});

describe('pages', () => {
  it.each([
    ['/', 'pair'],
    ['/console', 'console'],
    ['/docs', 'docs'],
    ['/docs/', 'docs'],
    ['/docs/protocol', 'protocol'],
    ['/docs/protocol.html', 'protocol'],
  ])('serve %s, to be asked for again each time', async (path, title) => {
    const response = await fetch(stage.url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('Cache-Control')).toBe('no-cache');
    expect(await response.text()).toContain(`<title>${title}</title>`);
  });

  it('answer 304 to who has them', async () => {
    const first = await fetch(`${stage.url}/`);
    const etag = first.headers.get('ETag') ?? '';
    expect(etag).not.toBe('');
    const answer = await stage.raw('GET', '/', `If-None-Match: ${etag}\r\n`);
    expect(answer.status).toBe(304);
  });

  it('let files with a hash in their name be cached for good, and no others', async () => {
    const hashed = await fetch(`${stage.url}/assets/app-3F2A9C1B.js`);
    expect(hashed.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable');
    const plain = await fetch(`${stage.url}/favicon.svg`);
    expect(plain.headers.get('Cache-Control')).toBe('no-cache');
  });

  it.each(['/.env', '/%2eenv', '/.git/config', '/docs/.env', '/docs/nothing', '/assets', '/docs/a%2fb'])(
    'do not serve %s',
    async (path) => {
      const response = await fetch(stage.url + path, { headers: { Accept: 'text/html' } });
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: 'UNKNOWN_COMMAND' });
    },
  );

  it('are 404 where none have been built', async () => {
    await stage.withServer({ webDir: `${stage.webDir}/missing` }, async (base) => {
      for (const path of ['/', '/console', '/docs', '/docs/protocol', '/app.js']) {
        expect((await fetch(base + path)).status).toBe(404);
      }
    });
  });
});
