import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { hardenServer, SERVER_OPTIONS, SERVER_TIMEOUTS } from './harden-server.ts';

/** The rules of the real timeouts in a tenth of a second. */
const QUICK = { headersTimeout: 100, requestTimeout: 200, keepAliveTimeout: 65_000 };

let server: Server | null = null;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  server = null;
});

const ok: RequestListener = (request, response) => {
  request.resume();
  request.on('end', () => response.end('ok'));
  request.on('error', () => undefined);
};

async function listen(handler = ok, timeouts?: typeof QUICK): Promise<number> {
  const created = createServer({ ...SERVER_OPTIONS, ...(timeouts && { connectionsCheckingInterval: 20 }) }, handler);
  hardenServer(created, timeouts);
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve));
  server = created;
  return (created.address() as AddressInfo).port;
}

function open(port: number, request = ''): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  if (request !== '') socket.write(request);
  return socket;
}

/** Checks that the text is one answer with a problem document, and nothing after it. */
function expectProblem(answer: string, status: number, code = 'INVALID_PAYLOAD'): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
  expect(head).toContain('\r\nContent-Type: application/problem+json');
  expect(head).toContain('\r\nConnection: close');
  const id = /\r\nX-Request-Id: (\S+)/.exec(head)?.[1];
  expect(Number(/\r\nContent-Length: (\d+)/.exec(head)?.[1])).toBe(Buffer.byteLength(body));
  expect(JSON.parse(body)).toMatchObject({ status, code, requestId: id });
}

describe('what is not HTTP', () => {
  it.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a method that does not exist', 'FETCH / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n'],
    ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n'],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a chunk of no size', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('is answered with 400: %s', async (_name, request) => {
    const port = await listen();
    expectProblem(await text(open(port, request)), 400);
  });

  it('does not touch the answers before it on the same connection', async () => {
    const port = await listen();
    const socket = open(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 200 OK/);
    socket.write('nonsense\r\n\r\n');
    expectProblem(await text(socket), 400);
  });

  it('never cuts into an answer that is on its way', async () => {
    const port = await listen((_request, response) => {
      response.write('half');
    });
    const socket = open(port, 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.write('nonsense\r\n');
    expect(first.toString() + (await text(socket))).not.toContain('problem+json');
  });

  it('adds nothing to an answer that did not wait for its request', async () => {
    const port = await listen((_request, response) => response.end('early'), QUICK);
    const socket = open(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1');
    const answer = await text(socket);
    expect(answer).toMatch(/early$/);
  });
});

describe('CONNECT', () => {
  it('is answered with 405, because nothing here is a proxy', async () => {
    const port = await listen();
    const answer = await text(open(port, 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\nmore'));
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer).toMatch(/^Allow: GET, HEAD, OPTIONS\r$/m);
  });

  it('leaves no connection behind when its peer does not close', async () => {
    const port = await listen();
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n');
    const [atServer] = (await once(server ?? socket, 'connection')) as [Socket];
    socket.resume();
    await once(atServer, 'close');
    expect(atServer.destroyed).toBe(true);
    socket.destroy();
  });
});

describe('headers', () => {
  it('of 40 kB are answered with 431', async () => {
    const port = await listen();
    const request = `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'x'.repeat(40_000)}\r\n\r\n`;
    expectProblem(await text(open(port, request)), 431);
  });

  it('of 30 kB are taken', async () => {
    const port = await listen();
    const request = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: ${'x'.repeat(30_000)}\r\n\r\n`;
    expect(await text(open(port, request))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('with an expectation nobody knows are answered like any other', async () => {
    const port = await listen();
    const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: miracles\r\n\r\n';
    expect(await text(open(port, request))).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('slow peers', () => {
  it('are answered with 408 when the headers do not end', async () => {
    const port = await listen(ok, QUICK);
    expectProblem(await text(open(port, 'GET / HTTP/1.1\r\nHost: x\r\n')), 408);
  });

  it('are answered with 408 when the body does not end', async () => {
    const port = await listen(ok, QUICK);
    expectProblem(await text(open(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1')), 408);
  });

  it('are answered with 408 when the chunks do not end', async () => {
    const port = await listen(ok, QUICK);
    const socket = open(port, 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const timer = setInterval(() => socket.write('1\r\na\r\n'), 10);
    expectProblem(await text(socket), 408);
    clearInterval(timer);
    socket.destroy();
  });

  it('are closed without a word when they said none, while others are served', async () => {
    const port = await listen(ok, QUICK);
    const silent = Array.from({ length: 200 }, () => open(port));
    const answers = Promise.all(silent.map((socket) => text(socket)));
    const good = open(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await text(good)).toMatch(/^HTTP\/1\.1 200 /);
    expect((await answers).join('')).toBe('');
  });

  it('keep an idle connection longer than the time for headers', async () => {
    const port = await listen(ok, QUICK);
    const kept = open(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(kept, 'data');
    // A connection that begins after the first has been idle, and is itself ended by the time for headers.
    await once(open(port), 'close');
    kept.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await text(kept)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

it('sets the timeouts of the house', async () => {
  await listen();
  expect(server).toMatchObject({ ...SERVER_TIMEOUTS, maxHeadersCount: 100 });
  expect(SERVER_TIMEOUTS.headersTimeout).toBeLessThan(SERVER_TIMEOUTS.requestTimeout);
});
