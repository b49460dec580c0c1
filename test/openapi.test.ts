import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ERRORS } from '../protocol/errors.ts';
import { healthRoutes, type HealthRouteOptions } from '../server/http/routes/health.ts';
import { metricsRoutes, type MetricsRouteOptions } from '../server/http/routes/metrics.ts';
import { Api, sha256Of } from './support/api.ts';
import { answerFault } from './support/answer-check.ts';
import { operationsOf, type Operation } from './support/open-api.ts';
import { startServer, type RunningServer } from './support/server.ts';

/** What the contract promises, and all of it. */
const ROUTES = [
  'DELETE /api/v1/auth/logins/{id}',
  'DELETE /api/v1/sessions/{id}',
  'DELETE /api/v1/sessions/{id}/participants/{participantId}',
  'GET /api/v1/analytics/summary',
  'GET /api/v1/auth/logins',
  'GET /api/v1/auth/me',
  'GET /api/v1/health',
  'GET /api/v1/me/sessions',
  'GET /api/v1/openapi.json',
  'GET /api/v1/sessions',
  'GET /api/v1/sessions/by-code/{code}',
  'GET /api/v1/sessions/{id}',
  'GET /api/v1/sessions/{id}/messages',
  'GET /health',
  'GET /health/detailed',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'POST /api/send-email',
  'POST /api/v1/auth/login',
  'POST /api/v1/auth/logout',
  'POST /api/v1/auth/logout-all',
  'POST /api/v1/auth/password',
  'POST /api/v1/auth/refresh',
  'POST /api/v1/auth/register',
  'POST /api/v1/sessions',
  'POST /api/v1/sessions/{id}/messages',
  'POST /api/v1/webhooks/auth',
];
const DEBUG_ROUTES = ['config', 'connections', 'limits/{scope}/{key}', 'redis', 'sessions', 'sessions/{id}'];

let server: RunningServer;
let api: Api;
let document: Record<string, unknown>;
let operations: readonly Operation[];

beforeAll(async () => {
  server = await startServer({
    DEBUG_API: 'true',
    ADMIN_TOKEN: 'an-admin-token-of-this-test',
    API_KEYS: `shop:${sha256Of('key')}`,
  });
  api = new Api(server.url);
  document = await api.ok('GET', '/api/v1/openapi.json');
  operations = operationsOf(document);
}, 60_000);
afterAll(() => server.stop(), 60_000);

describe('the description of the HTTP interface', () => {
  it('names what the contract promises, and nothing else', () => {
    const named = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    const debug = DEBUG_ROUTES.map((path) => `GET /api/debug/${path}`);
    expect(named.sort()).toEqual([...ROUTES, ...debug].sort());
  });

  it('names the methods that the server takes, path by path', async () => {
    for (const path of new Set(operations.map((one) => one.path))) {
      const methods = operations.filter((one) => one.path === path).map(({ method }) => method.toUpperCase());
      const response = await fetch(server.url + path.replaceAll(/\{\w+\}/g, 'x'), { method: 'OPTIONS' });
      const allowed = (response.headers.get('Allow') ?? '').split(', ').sort();
      const expected = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
      expect([path, response.status, allowed]).toEqual([path, 204, expected]);
    }
  });

  it('names what is served beside the table of routes', () => {
    // Nothing is asked of them: their parts are not there.
    const routers = [healthRoutes({} as HealthRouteOptions), metricsRoutes({} as MetricsRouteOptions)];
    const served = routers.flatMap(({ stack }) => stack.map(({ route }) => route?.path));
    expect(served).toHaveLength(6);
    for (const path of served) expect(operations.map((one) => one.path)).toContain(path);
  });

  it('says nothing of /api/debug where there is none', async () => {
    const other = await startServer();
    try {
      const { paths } = await new Api(other.url).ok<{ paths: object }>('GET', '/api/v1/openapi.json');
      expect(Object.keys(paths).filter((path) => path.includes('debug'))).toEqual([]);
    } finally {
      await other.stop();
    }
  }, 60_000);

  it('is OpenAPI 3.1, as far as its rules can be told in few lines', () => {
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/),
      info: { title: 'Tandem', version: expect.any(String) },
    });
    const text = JSON.stringify(document);
    const { schemas, securitySchemes } = document['components'] as Record<string, Record<string, unknown>>;
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
      expect(schemas).toHaveProperty(name);
    // Of JSON Schema, what only other documents know.
    expect(text).not.toMatch(/"\$(?:schema|defs|id)"|#\/\$defs|"nullable"|"undefined"/);
    const ids = operations.map(({ id }) => id);
    expect(ids.every((id) => /^[a-z][A-Za-z]+$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { schemes } of operations) for (const scheme of schemes) expect(securitySchemes).toHaveProperty(scheme);
    const paths = document['paths'] as Record<string, Record<string, { parameters?: Parameter[]; summary?: string }>>;
    for (const [path, methods] of Object.entries(paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const [method, { parameters = [], summary }] of Object.entries(methods)) {
        expect(['get', 'post', 'delete', 'put', 'patch']).toContain(method);
        expect(summary).toEqual(expect.any(String));
        const told = parameters.filter((one) => one.in === 'path');
        expect(told.map(({ name }) => name)).toEqual(inPath);
        expect(told.every(({ required }) => required)).toBe(true);
        expect(parameters.every((one) => typeof one.schema === 'object')).toBe(true);
        expect(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size).toBe(parameters.length);
      }
    }
  });

  it('tells of each operation how it succeeds, once, and how it fails', () => {
    const statuses = new Set<number>(Object.values(ERRORS).map(({ status }) => status));
    for (const { id, path, answers, isOpen } of operations) {
      const codes = [...answers.keys()];
      expect([id, codes.filter((code) => code < 300)]).toEqual([id, [expect.any(Number)]]);
      expect([id, codes.filter((code) => code >= 400 && !statuses.has(code))]).toEqual([id, []]);
      if (!isOpen) expect([id, codes]).toEqual([id, expect.arrayContaining([401])]);
      // All but the webhook and what machines ask is limited.
      const isLimited = path.startsWith('/api/') && !/webhooks|health|openapi/.test(path);
      expect([id, codes.includes(429)]).toEqual([id, isLimited]);
    }
  });

  it('tells how metrics are written', async () => {
    const paths = document['paths'] as Record<string, { get: { responses: Record<string, { content: object }> } }>;
    const told = Object.keys(paths['/metrics']?.get.responses['200']?.content ?? {});
    const given: string[] = [];
    for (const accept of ['*/*', 'application/openmetrics-text', 'application/json']) {
      const response = await fetch(`${server.url}/metrics`, { headers: { Accept: accept } });
      given.push((response.headers.get('Content-Type') ?? '').split(';', 1)[0] ?? '');
      await response.body?.cancel();
    }
    expect(told.sort()).toEqual(given.sort());
  });

  it('is what answers are compared with, in all tests', async () => {
    const request = { method: 'GET', path: '/api/v1/sessions?limit=1' };
    const right = { sessions: [], nextCursor: null };
    const faultOf = (status: number, body: unknown) => answerFault(server.url, request, { status, body });
    expect(await faultOf(200, right)).toBeNull();
    expect(await faultOf(200, { ...right, nextCursor: 7 })).toContain('otherwise than described');
    expect(await faultOf(200, { ...right, more: true })).toContain('otherwise than described');
    expect(await faultOf(200, { sessions: [{ id: 'x' }], nextCursor: null })).toContain('otherwise than described');
    expect(await faultOf(418, {})).toContain('does not name');
    expect(await faultOf(401, right)).toContain('otherwise than described');
  });
});

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: unknown;
}
