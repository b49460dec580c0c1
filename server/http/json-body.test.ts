import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { createLogger, type Logger } from '../observability/logger.ts';
import { createMetrics } from '../observability/metrics.ts';
import { createErrorResponder } from './error-handler.ts';
import { openContext } from './middleware/request-context.ts';
import { resource } from './routes/resource.ts';

/** Each of its methods takes a body, and answers with what it was given. */
const PATH = '/api/v1/echo';
const PAST = 200;

let server: Server;
let url: string;
let logger: Logger;
let faults: string;

beforeAll(async () => {
  faults = '';
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      faults += chunk.toString();
      callback();
    },
  });
  logger = createLogger({ level: 'info', dir: null, retentionDays: 1, format: 'json', instanceId: 'i', stdout });
  const metrics = createMetrics({ version: '1' });
  const respond = createErrorResponder(logger);
  const app = express();
  const echo: RequestHandler = (request, response) => {
    response.json({ received: request.body as unknown });
  };
  resource(app, PATH, { GET: echo, POST: echo, PUT: echo, PATCH: echo, DELETE: echo });
  server = createServer((request, response) => {
    openContext(request, response, metrics);
    app(request as Request, response as Response, (thrown: unknown) => respond(thrown, request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  jest.useRealTimers();
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await logger.close();
  // None of all that was a fault of ours.
  expect(faults).toBe('');
});

interface Answer {
  status: number;
  code?: unknown;
  received?: unknown;
  issues?: unknown;
}

async function post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url + PATH, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
  if (response.status === PAST) return { status: PAST, ...((await response.json()) as object) };
  expect(response.headers.get('Content-Type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await response.json()) as Answer;
  expect(problem.status).toBe(response.status);
  return problem;
}

function open(head: string): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
  return socket;
}

function nested(depth: number): string {
  return `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
}

describe('a body', () => {
  it.each([
    ['an object', '{}'],
    ['an object with all kinds of values', '{"a":[1,null,true,"\\ud83d\\ude00",{"b":"é"}]}'],
    ['white space around it', ' \n{"a":1}\r\n '],
    ['an object with a value of 32 levels', nested(33)],
    ['a harmless constructor', '{"constructor":"x"}'],
    ['64 KiB', `{"a":"${'x'.repeat(65_536 - 8)}"}`],
  ])('of %s gets past', async (_name, body) => {
    expect(await post(body)).toEqual({ status: PAST, received: JSON.parse(body) as unknown });
  });

  it('needs no type when there is none', async () => {
    const response = await fetch(url + PATH, { method: 'POST' });
    expect(response.status).toBe(PAST);
  });

  it('is not read with a method that takes none', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        'Content-Length: 7\r\n\r\n{"a":1}',
    );
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/\r\n\r\n\{\}$/);
  });

  it.each([
    ['truncated JSON', '{"a":'],
    ['two values', '{}{}'],
    ['null', 'null'],
    ['a string', '"text"'],
    ['a number', '1'],
    ['an array', '[]'],
    ['NaN', '{"a":NaN}'],
    ['white space alone', '   '],
    ['an object with a value of 33 levels', nested(34)],
    ['60 kB of [', '['.repeat(60_000)],
    ['30,000 closed arrays', '['.repeat(30_000) + ']'.repeat(30_000)],
    ['30,000 arrays in an object', nested(30_000)],
    ['\\u0000 in a string', '{"a":"x\\u0000"}'],
    ['\\u0000 in a key', '{"a\\u0000":1}'],
    ['a raw NUL', '{"a":"x\0"}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate in a key', '{"\\udc00":1}'],
    ['__proto__', '{"__proto__":{"polluted":true}}'],
    ['__proto__ below', '{"a":[{"__proto__":1}]}'],
    ['__proto__ in other spelling', '{"\\u005f_proto__":{"polluted":true}}'],
    ['constructor.prototype', '{"a":{"constructor":{"prototype":{"polluted":true}}}}'],
  ])('of %s is INVALID_PAYLOAD', async (_name, body) => {
    expect(await post(body)).toMatchObject({ status: 400, code: 'INVALID_PAYLOAD' });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it.each([
    ['0x80', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
  ])('with bytes that are not UTF-8 is INVALID_PAYLOAD: %s', async (_name, bytes) => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 400, code: 'INVALID_PAYLOAD' });
    expect(answer.issues).toEqual([{ path: '', message: 'the body is not UTF-8' }]);
  });

  it('is told where its fault is', async () => {
    expect((await post('{"user":{"names":["a","b\\u0000"]}}')).issues).toEqual([
      { path: 'user.names.1', message: expect.stringContaining('u0000') },
    ]);
    expect((await post('{"a":[{"__proto__":1}]}')).issues).toEqual([
      { path: 'a.0.__proto__', message: 'this key is not allowed' },
    ]);
  });

  it('over 64 KiB is PAYLOAD_TOO_LARGE', async () => {
    for (const size of [65_537, 70_000, 1_000_000]) {
      expect(await post(`{"a":"${'x'.repeat(size - 8)}"}`)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
    }
  });

  it('over 64 KiB in chunks is PAYLOAD_TOO_LARGE', async () => {
    const socket = open('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close');
    for (let chunk = 0; chunk < 9; chunk += 1) socket.write(`2000\r\n${'['.repeat(8192)}\r\n`);
    socket.write('0\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('that is refused early is not read for ever', async () => {
    jest.useFakeTimers({ doNotFake: [...ALL_BUT_TIMEOUTS] });
    const received = once(server, 'request') as Promise<[IncomingMessage]>;
    const socket = open('Content-Type: text/plain\r\nContent-Length: 999999999');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 415 /);
    const [request] = await received;
    expect(request.complete).toBe(false);
    socket.write('x'.repeat(100_000));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    jest.advanceTimersByTime(4999);
    expect(request.destroyed || socket.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    await closed;
  });
});

describe('the type of a body', () => {
  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json; charset="utf-8"',
  ])('may be %s', async (type) => {
    expect((await post('{}', { 'Content-Type': type })).status).toBe(PAST);
  });

  it.each([
    '',
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/problem+json',
    'application/json; charset=utf-16',
    'application/json; charset=utf-7',
    'application/json; charset=latin1',
    'application/json; charset=',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; nonsense',
    'application/json, text/plain',
  ])('may not be %j', async (type) => {
    expect(await post('{}', { 'Content-Type': type })).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  it('may not be missing', async () => {
    const socket = open('Content-Length: 2\r\nConnection: close');
    socket.write('{}');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 415 /);
  });

  const plain = Buffer.from('{}');
  it.each([
    ['gzip', gzipSync(plain)],
    ['deflate', deflateSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['zstd', plain],
    ['identity', plain],
    ['gzip, br', plain],
    ['nonsense', plain],
    ['', plain],
  ])('may not be compressed: Content-Encoding %j', async (encoding, body) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.write(
        `${method} ${PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n` +
          `Content-Encoding: ${encoding}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      socket.write(body);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 415 /);
    }
  });
});

/** Everything that can be faked but `setTimeout` and `clearTimeout`. */
const ALL_BUT_TIMEOUTS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
] as const;
