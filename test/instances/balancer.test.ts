import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, RequestListener, RequestOptions, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import { Arena } from '../faults/arena.ts';
import { longestPauseMs, PLAIN_RUN } from '../faults/scenario.ts';
import { restartAll } from '../faults/scenarios/f02-rolling-restart.ts';
import { f02n } from '../faults/scenarios/f02n-behind-nginx.ts';
import { Client } from '../support/client.ts';
import { freePorts, startNginx } from '../support/nginx.ts';
import type { Nginx } from '../support/nginx.ts';
import { Random, seedOfRun } from '../support/random.ts';

const seed = seedOfRun();
/** Of the loopback network, and not the address of the tests themselves. */
const FAR = '127.9.9.9';
const SPOOFED = { 'X-Forwarded-For': '6.6.6.6', 'X-Real-IP': '6.6.6.6', Forwarded: 'for=6.6.6.6' };

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** A request with its path as it is written here: fetch would tidy it up. */
async function ask(nginx: Nginx, path: string, options: RequestOptions = {}, body?: object): Promise<Answer> {
  const asking = request({ host: nginx.host, port: nginx.port, path, agent: false, ...options });
  if (body !== undefined) asking.setHeader('Content-Type', 'application/json');
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asking, 'response')) as [IncomingMessage]; // What the event carries.
  const said = await text(response);
  const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
  return { status: response.statusCode, headers: response.headers, body: isJson ? JSON.parse(said) : said };
}

describe(`nginx before three instances, seed ${seed}`, () => {
  let arena: Arena;
  let nginx: Nginx;

  beforeAll(async () => {
    const random = new Random(seed);
    arena = await Arena.open({ ...f02n.arena('redis', PLAIN_RUN), pairs: 2, perSecond: 40 }, random);
    if (arena.deployment.nginx === null) throw new Error('the scenario is about nginx');
    nginx = arena.deployment.nginx;
  }, 120_000);

  afterAll(async () => {
    await arena.close();
  }, 60_000);

  it('an instance knows the address of a client, and nobody can claim another', async () => {
    const from = { localAddress: FAR, headers: SPOOFED };
    const account = { email: 'far@example.org', password: 'a passphrase of this test' };
    const registered = await ask(nginx, '/api/v1/auth/register', { ...from, method: 'POST' }, account);
    expect(registered.status).toBe(201);
    const { accessToken } = registered.body as { accessToken: string }; // A 201 has it.
    const headers = { ...SPOOFED, Authorization: `Bearer ${accessToken}` };
    const logins = await ask(nginx, '/api/v1/auth/logins', { localAddress: FAR, headers });
    expect(logins.body).toMatchObject({ logins: [{ ip: FAR }] });

    const host = new Client(nginx.url);
    expect(await host.opened()).toBeNull();
    const { session } = await host.do('session:create', { approval: true });
    const options = { transports: ['websocket'], forceNew: true, reconnection: false, localAddress: FAR };
    const guest = io(nginx.url, { ...options, extraHeaders: SPOOFED });
    guest.emit('session:join', { code: session.code });
    expect(await host.next('session:knock')).toMatchObject({ ip: '127.9.9.x' });
    guest.disconnect();
    host.close();
  });

  it.each([
    '/metrics',
    '/Metrics/',
    '//metrics',
    '/%6detrics',
    '/docs/../metrics',
    '/metrics?x=1',
    '/health/detailed',
    '/HEALTH/DETAILED/',
    '/api/debug',
    '/api/debug/config',
    '/api//debug/redis',
    '/api/%64ebug/sessions/x',
  ])('%s is not for the public', async (path) => {
    const { status, headers, body } = await ask(nginx, path);
    expect({ status, body }).toMatchObject({ status: 404, body: { detail: 'It is not served to the public.' } });
    expect(body).toMatchObject({ requestId: headers['x-request-id'], code: 'UNKNOWN_COMMAND' });
  });

  it('serves the rest, and refuses a body that no instance would take in the words of one', async () => {
    for (const path of ['/', '/health', '/health/ready', '/health/live', '/api/v1/openapi.json', '/client/tandem.js']) {
      expect({ path, status: (await ask(nginx, path)).status }).toEqual({ path, status: 200 });
    }
    const post = { method: 'POST' };
    const { status, body } = await ask(nginx, '/api/v1/auth/login', post, { email: 'x'.repeat(70_000) });
    expect({ status, body }).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE', status: 413 } });
  });

  it('a rolling restart of all instances loses, doubles and reorders nothing', async () => {
    arena.talk();
    await restartAll(arena, new Random(seed));
    const verdict = await arena.judge();
    const pausesMs = arena.clients.recorders.map(({ record }) => Math.round(longestPauseMs(record)));
    console.log(`longest pause of each client: ${pausesMs.join(', ')} ms\n${String(verdict)}`);
    // The scenario demands 5 s; beside other tests it may take longer.
    expect(Math.max(...pausesMs)).toBeLessThan(20_000);
    expect({ seed, complaints: arena.complaints, broken: verdict.broken }).toEqual({
      seed,
      complaints: [],
      broken: [],
    });
    for (const invariant of ['I1', 'I2', 'I3', 'I5', 'I6', 'I8'] as const) {
      expect(verdict.examined(invariant)).toBeGreaterThan(0);
    }
  }, 180_000);
});

const UPGRADE = { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } };

describe('nginx before instances that fail', () => {
  const seen: string[] = [];
  const servers: Server[] = [];
  let nginx: Nginx;
  /** Before one instance that refuses upgrades and nothing else, and one that is well. */
  let full: Nginx;

  /** Notes what comes, and answers by `answer`. */
  async function stub(name: string, answer: RequestListener): Promise<number> {
    const server = createServer((incoming, response) => {
      seen.push(`${name} ${incoming.method ?? ''} ${incoming.url ?? ''}`);
      // After the whole request: a balancer may only take back what was not sent.
      incoming.resume().on('end', () => answer(incoming, response));
    });
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (server.address() as AddressInfo).port; // A listening TCP server has one.
  }

  beforeAll(async () => {
    const breaking = await stub('breaking', (incoming, response) => {
      if (incoming.url === '/socket.io/') response.writeHead(503, { 'Retry-After': '1' }).end();
      else incoming.socket.destroy();
    });
    const busy = await stub('busy', (_incoming, response) => void response.writeHead(503).end('busy'));
    const [nobody = 0] = await freePorts(1);
    nginx = await startNginx([nobody, breaking, busy]);
    const refusing = await stub('refusing', (incoming, response) => {
      response.writeHead(incoming.url === '/socket.io/' ? 503 : 200).end();
    });
    const well = await stub('well', (incoming, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(incoming.headers));
    });
    full = await startNginx([refusing, well]);
  });

  afterAll(async () => {
    await nginx.stop();
    await full.stop();
    for (const server of servers) server.close().closeAllConnections();
  });

  async function outcomes(path: string, options?: RequestOptions): Promise<unknown[]> {
    const answers: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      seen.length = 0;
      const { status, headers } = await ask(nginx, path, options);
      answers.push({ status, retryAfter: headers['retry-after'], seen: [...seen] });
    }
    return answers;
  }

  it('repeats a POST at no other instance once it was sent', async () => {
    const answers = await outcomes('/api/v1/sessions', { method: 'POST' });
    const broken = { status: 503, retryAfter: '2', seen: ['breaking POST /api/v1/sessions'] };
    const answered = { status: 503, retryAfter: undefined, seen: ['busy POST /api/v1/sessions'] };
    expect(answers).toContainEqual(broken);
    for (const answer of answers) expect([broken, answered]).toContainEqual(answer);
  });

  it('asks the next instance when one that drains refuses an upgrade', async () => {
    const answers = await outcomes('/socket.io/', UPGRADE);
    expect(answers).toContainEqual(
      expect.objectContaining({ seen: expect.arrayContaining(['breaking GET /socket.io/', 'busy GET /socket.io/']) }),
    );
  });

  it('goes on to ask an instance for pages that refuses upgrades', async () => {
    // Enough for both workers of nginx, had they counts of their own.
    for (let round = 0; round < 16; round += 1) await ask(full, '/socket.io/', UPGRADE);
    expect(seen.filter((line) => line.startsWith('refusing ')).length).toBeGreaterThanOrEqual(8);
    seen.length = 0;
    for (let round = 0; round < 8; round += 1) await ask(full, '/');
    expect(new Set(seen)).toEqual(new Set(['refusing GET /', 'well GET /']));
  });

  it('tells no instance what a stranger wants to have traced', async () => {
    const traced = {
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: 'stranger=1',
      'x-other': 'passes',
    };
    for (const path of ['/', '/socket.io/']) {
      const told: unknown[] = [];
      for (let round = 0; round < 2; round += 1) told.push((await ask(full, path, { headers: traced })).body);
      const headers = told.find((body) => typeof body === 'object');
      expect(headers).toMatchObject({ 'x-other': 'passes' });
      expect(headers).not.toHaveProperty('traceparent');
      expect(headers).not.toHaveProperty('tracestate');
    }
  });
});
