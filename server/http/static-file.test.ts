import { describe, expect, it } from '@jest/globals';
import { LARGE_SCRIPT, problemOf, stageApp } from '../../test/support/app-stage.ts';

const stage = stageApp();

const LARGE = '/assets/large-3F2A9C1B.js';
const CLIENT = '/client/tandem.js';

describe('compressed files', () => {
  it.each([
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.1, gzip;q=0.9', 'br'],
    ['*', 'br'],
    ['BR', 'br'],
    ['gzip, deflate', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*;q=0, gzip', 'gzip'],
    ['identity', null],
    ['br;q=0, gzip;q=0', null],
    ['*;q=0', null],
    ['zstd, brotli', null],
    ['', null],
    [',;=', null],
  ])('go to who takes them: %s gets %s', async (accepted, coding) => {
    const response = await fetch(stage.url + LARGE, { headers: { 'Accept-Encoding': accepted } });
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Encoding')).toBe(coding);
    expect(response.headers.get('Content-Type')).toBe('text/javascript; charset=utf-8');
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable');
    expect(response.headers.get('Vary')).toBe('Accept-Encoding');
    expect(await response.text()).toBe(LARGE_SCRIPT);
  });

  it('go to nobody who does not ask', async () => {
    const { head, body } = await stage.raw('GET', LARGE);
    expect(head).not.toMatch(/^content-encoding/im);
    expect(head).toMatch(/^vary: Accept-Encoding$/im);
    expect(body).toBe(LARGE_SCRIPT);
  });

  it('are sent as what they are where only one is there, and not at all where none is', async () => {
    const everything = { headers: { 'Accept-Encoding': 'br, gzip' } };
    expect((await fetch(stage.url + CLIENT, everything)).headers.get('Content-Encoding')).toBe('gzip');
    const plain = await fetch(`${stage.url}/favicon.svg`, everything);
    expect([plain.headers.get('Content-Encoding'), plain.headers.get('Vary')]).toEqual([null, null]);
  });

  it('have a tag of their own, and are not sent to who has them', async () => {
    const [br, gzip, identity] = await Promise.all(
      ['br', 'gzip', 'identity'].map(async (coding) => {
        const response = await fetch(stage.url + LARGE, { headers: { 'Accept-Encoding': coding } });
        return response.headers.get('ETag') ?? '';
      }),
    );
    expect(new Set([br, gzip, identity, '']).size).toBe(4);
    const again = (tag = '') => stage.raw('GET', LARGE, `Accept-Encoding: br\r\nIf-None-Match: ${tag}\r\n`);
    expect((await again(br)).status).toBe(304);
    expect((await again(gzip)).status).toBe(200);
  });

  it.each(['.br', '.gz'])('are no resources of their own: %s', async (ending) => {
    const response = await fetch(stage.url + LARGE + ending);
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: 'UNKNOWN_COMMAND' });
  });

  it('leave a refusal uncompressed', async () => {
    const response = await fetch(stage.url + LARGE, { headers: { 'Accept-Encoding': 'br', 'If-Match': '"other"' } });
    expect(response.status).toBe(400);
    expect(response.headers.get('Content-Encoding')).toBeNull();
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    await problemOf(response);
  });

  it('tell a HEAD the same as a GET', async () => {
    const ask = (method: string) => stage.raw(method, LARGE, 'Accept-Encoding: br\r\n');
    const names = /^(content-\w+|etag|vary|cache-control): .*$/gim;
    const [get, head] = await Promise.all([ask('GET'), ask('HEAD')]);
    expect(head.head.match(names)).toEqual(get.head.match(names));
    expect(head.head).toMatch(/^content-encoding: br$/im);
    expect(head.body).toBe('');
  });
});

describe('the client library', () => {
  const publicHeaders = (response: Response) => [
    response.headers.get('Access-Control-Allow-Origin'),
    response.headers.get('Cross-Origin-Resource-Policy'),
  ];

  it.each([
    ['of a listed origin', ['https://app.example'], { Origin: 'https://app.example' }],
    ['of an unlisted origin', ['https://app.example'], { Origin: 'https://evil.example' }],
    ['of a file', ['https://app.example'], { Origin: 'null' }],
    ['of our own origin', ['https://app.example'], {}],
    ['of any origin where none is listed', [], { Origin: 'https://app.example' }],
    ['of any origin where the list is open', '*', { Origin: 'https://app.example' }],
  ] as const)('is a module for pages %s', async (_whose, corsOrigins, headers) => {
    await stage.withServer({ corsOrigins }, async (base) => {
      const response = await fetch(base + CLIENT, { headers });
      expect(response.status).toBe(200);
      expect(publicHeaders(response)).toEqual(['*', 'cross-origin']);
      // The answer is the same for every origin, so that a cache needs to hold one.
      expect(response.headers.get('Vary')).toBe('Accept-Encoding');
      expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull();
      expect(response.headers.get('Content-Type')).toBe('text/javascript; charset=utf-8');
      expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(response.headers.get('Cache-Control')).toBe('no-cache');
      expect(await response.text()).toBe(LARGE_SCRIPT);
    });
  });

  it('is there for pages of other origins when it is asked for again', async () => {
    const tag = (await fetch(stage.url + CLIENT)).headers.get('ETag') ?? '';
    const { status, head } = await stage.raw(
      'GET',
      CLIENT,
      `Origin: https://evil.example\r\nAccept-Encoding: gzip\r\nIf-None-Match: ${tag}\r\n`,
    );
    expect(status).toBe(304);
    expect(head).toMatch(/^access-control-allow-origin: \*$/im);
    expect(head).toMatch(/^cross-origin-resource-policy: cross-origin$/im);
  });

  it('has its source map as open as itself', async () => {
    const response = await fetch(`${stage.url}/client/tandem.js.map`, { headers: { Origin: 'https://evil.example' } });
    expect(publicHeaders(response)).toEqual(['*', 'cross-origin']);
    expect(response.headers.get('Content-Type')).toMatch(/^application\/json/);
    expect(response.headers.get('Cache-Control')).toBe('no-cache');
  });

  it('is read and nothing else: neither a preflight nor another method is let through', async () => {
    const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
    const preflight = await fetch(stage.url + CLIENT, { method: 'OPTIONS', headers });
    expect([preflight.status, preflight.headers.get('Allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
    const post = await fetch(stage.url + CLIENT, { method: 'POST', headers });
    expect(post.status).toBe(405);
    for (const response of [preflight, post]) expect(publicHeaders(response)).toEqual([null, 'same-origin']);
  });

  it.each([
    '/',
    '/docs',
    '/favicon.svg',
    LARGE,
    '/client/other.js',
    '/client//tandem.js',
    '/client/nothing.js',
    '/health',
  ])('is the only thing that pages of other origins may load: not %s', async (path) => {
    const response = await fetch(stage.url + path, { headers: { Origin: 'https://evil.example' } });
    await response.text();
    expect(publicHeaders(response)).toEqual([null, 'same-origin']);
  });
});
