import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Operation } from '../support/open-api.ts';
import type { Random } from '../support/random.ts';
import { HostileJson, nestedLists } from './hostile-json.ts';

export interface RawRequest {
  readonly what: string;
  readonly bytes: Buffer;
  /** Nothing that follows on the connection would be understood. */
  readonly isLast: boolean;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND', 'TRACE', 'PURGE', 'M-SEARCH'];
const PATHS = [
  ...[
    '/',
    '/health',
    '/health/live',
    '/health/ready',
    '/health/detailed',
    '/metrics',
    '/api',
    '/api/v1',
    '/index.html',
    '/favicon.ico',
  ],
  ...[
    '/%E0%A4%A',
    '/%00',
    '/..%2f..%2fetc%2fpasswd',
    '/api/v1/../../etc',
    '//',
    '//evil.example/',
    '/\\',
    '/;',
    '/?',
    '/?#',
    '*',
  ],
  ...[
    '/api/v1/sessions/__proto__',
    '/api/debug/sessions/constructor',
    '/api/v1/sessions/by-code/%F0%9F%92%A9',
    'http://[/',
    'http://a:99999/',
  ],
  ...[
    '/socket.io',
    '/socket.io/',
    '/socket.io/?EIO=3&transport=polling',
    '/socket.io/?EIO=4&transport=polling&sid=__proto__',
  ],
  ...[
    '/socket.io/?EIO=4&transport[]=polling',
    '/socket.io/?EIO=4&transport=websocket&sid=x',
    '/socket.io/?%00=%ff',
    '/socket.io/socket.io.js',
  ],
  ...[
    '/socket.io/?EIO=4&transport=polling&j=0',
    '/socket.io/?EIO=4&transport=webtransport',
    `/${'a'.repeat(9_000)}`,
    `/${'../'.repeat(500)}`,
  ],
];
const QUERIES = [
  'limit=-1',
  'limit=1e9',
  'limit=NaN',
  'limit=0x10',
  'limit[]=1',
  'limit=1&limit=2',
  'cursor=%00',
  'cursor=A',
  '__proto__[a]=1',
  '%',
  '&&&=',
  'a'.repeat(3_000),
];
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=latin1',
  'text/plain',
  'application/json, text/plain',
  '',
  'multipart/form-data; boundary=x',
  '*/*',
  'application/json;'.repeat(50),
];

/** Lines that no client needs. Line ends are their own: some smuggle. */
const HEADERS = [
  ...[
    'Content-Encoding: gzip',
    'Content-Encoding: identity',
    'Content-Encoding: br, br',
    'Expect: 100-continue',
    'Expect: everything',
  ],
  ...[
    'Authorization: ',
    'Authorization: Bearer',
    'Authorization: Bearer a.b.c',
    'Authorization: Basic YTpi',
    `Authorization: Bearer ${'x'.repeat(20_000)}`,
  ],
  ...[
    'Authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
    'X-API-Key: x',
    'X-API-Key: \u00e9',
    'Cookie: token=x',
    `Cookie: ${'a=b; '.repeat(500)}`,
  ],
  ...[
    'Authorization: Bearer a\r\nAuthorization: Bearer b',
    'Host: a\r\nHost: b',
    'Host: ',
    'Host: evil.example:99999',
    'X-Forwarded-For: 1.2.3.4, x, ::1',
  ],
  ...[
    'X-Request-Id: \u00ff',
    `X-Request-Id: ${'r'.repeat(5_000)}`,
    'traceparent: 00-x',
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ],
  ...[
    'Origin: null',
    'Origin: https://evil.example',
    'Origin: http://[',
    'Origin: \u0001',
    'If-None-Match: *',
    'Range: bytes=0-0,-1,99999-',
    'Range: bytes=x',
  ],
  ...[
    'Accept: application/openmetrics-text; q=2',
    `Accept: ${'a/b,'.repeat(900)}`,
    'Accept-Encoding: *;q=x',
    'Transfer-Encoding: identity',
    'TE: trailers',
  ],
  ...[
    'Connection: upgrade\r\nUpgrade: h2c',
    'Connection: Upgrade\r\nUpgrade: websocket',
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13',
  ],
  ...[
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99',
  ],
  ...[
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; x="',
  ],
  ...[
    '__proto__: x',
    'constructor: x',
    'a b: c',
    ': x',
    'no colon',
    'x: a\u0000b',
    ' folded',
    'X: a\r\n b',
    'X-A: b\nX-B: c',
    Array.from({ length: 150 }, (_, n) => `X-${n}: ${n}`).join('\r\n'),
  ],
  ...[
    'Content-Length: 5',
    'Content-Length: -1',
    'Content-Length: 99999999999999999999',
    'Content-Length: 1, 1',
    'Content-Length: 3\r\nContent-Length: 4',
  ],
  ...[
    'Transfer-Encoding: chunked\r\nContent-Length: 4',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding:\u000bchunked',
  ],
];

/** Requests of HTTP, from right to none. */
export class HttpRequests {
  readonly #random: Random;
  readonly #hostile: HostileJson;
  readonly #operations: readonly Operation[];

  constructor(random: Random, operations: readonly Operation[]) {
    this.#random = random;
    this.#hostile = new HostileJson(random);
    this.#operations = operations;
  }

  next(): RawRequest {
    const kind = this.#random.below(100);
    if (kind < 55) return this.#ofOperation();
    if (kind < 75) return this.#ofPath();
    if (kind < 93) return this.#withHeader();
    if (kind < 97) return this.#mutated();
    return last(
      'noise',
      Buffer.from(Array.from({ length: 1 + this.#random.below(300) }, () => this.#random.below(256))),
    );
  }

  /** A path that is described, its method, its fields: with values that are seldom right. */
  #ofOperation(): RawRequest {
    const random = this.#random;
    const operation = random.pick(this.#operations);
    const query = random.below(4) === 0 ? `?${random.pick(QUERIES)}` : '';
    const path = this.#pathOf(operation) + query;
    if (operation.body === null && random.below(4) > 0) {
      return whole(operation.id, request(operation.method.toUpperCase(), path, [], null));
    }
    const body = this.#body(operation);
    return whole(operation.id, request(operation.method.toUpperCase(), path, this.#type(), body));
  }

  #ofPath(): RawRequest {
    const random = this.#random;
    const path =
      random.below(3) === 0 ? `/${encodeURIComponent(this.#hostile.text().toWellFormed())}` : random.pick(PATHS);
    return whole(`path ${path.slice(0, 60)}`, request(random.pick(METHODS), path, [], null));
  }

  #withHeader(): RawRequest {
    const random = this.#random;
    const operation = random.pick(this.#operations);
    const header = random.pick(HEADERS);
    const body = operation.body === null ? null : this.#body(operation);
    const bytes = request(operation.method.toUpperCase(), this.#pathOf(operation), [header, ...this.#type()], body);
    // What is said of the length is a lie, or nothing after it is HTTP any more.
    return last(`header ${header.slice(0, 60)}`, bytes);
  }

  #mutated(): RawRequest {
    const { what, bytes } = this.#ofOperation();
    const random = this.#random;
    const mutated = Buffer.from(bytes);
    for (let n = 1 + random.below(4); n > 0; n -= 1)
      mutated[random.below(Math.min(mutated.length, 300))] = random.below(256);
    return last(
      `mutated ${what}`,
      random.below(2) === 0 ? mutated : mutated.subarray(0, random.below(mutated.length) + 1),
    );
  }

  #pathOf({ path }: Operation): string {
    const random = this.#random;
    return path.replaceAll(/\{(\w+)\}/g, (_match, name) => {
      if (random.below(3) === 0) return encodeURIComponent(this.#hostile.text().toWellFormed().slice(0, 2_000));
      return name === 'code' ? 'BCDFGH' : randomUUID();
    });
  }

  #type(): string[] {
    const random = this.#random;
    return random.below(5) === 0 ? [`Content-Type: ${random.pick(TYPES)}`] : ['Content-Type: application/json'];
  }

  #body({ body }: Operation): Buffer {
    const random = this.#random;
    const kind = random.below(20);
    if (kind === 0)
      return Buffer.from(random.pick(['', 'null', '7', '"x"', '[]', '{}{}', '{"a":', '{"a":1,}', '\ufeff{}', ' ']));
    if (kind === 1) return Buffer.from('{"email":"\xff\xfe\xc0\x80"}', 'latin1');
    if (kind === 2)
      return random.below(10) === 0
        ? Buffer.from(nestedLists(30_000))
        : Buffer.from(`{"email":${nestedLists(random.pick([32, 33, 200]))}}`);
    if (kind === 3) return random.below(10) === 0 ? Buffer.alloc(70_000, 'x') : gzipSync('{"email":"a@example.com"}');
    const properties = Object.keys(body?.['properties'] ?? { email: 1, password: 1 });
    const fields = properties
      .filter(() => random.below(3) > 0)
      .map((name) => `${JSON.stringify(name)}:${this.#value(name)}`);
    if (random.below(6) === 0)
      fields.push(`${JSON.stringify(this.#hostile.text().slice(0, 50))}:${this.#hostile.value(2)}`);
    return Buffer.from(`{${fields.join(',')}}`);
  }

  #value(name: string): string {
    const random = this.#random;
    // A password that may be right is hashed, and that is meant to be slow.
    if (name === 'email' && random.below(3) === 0) return `"${random.below(1000)}@example.com"`;
    if (name === 'password' && random.below(100) === 0) return '"correct horse battery"';
    return this.#hostile.value(3);
  }
}

function request(method: string, path: string, headers: readonly string[], body: Buffer | null): Buffer {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(headers.some((line) => line.startsWith('Host:')) ? [] : ['Host: localhost']),
    ...headers,
  ];
  const isFramed = headers.some((line) => /content-length|transfer-encoding/i.test(line));
  if (body !== null && !isFramed) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body ?? Buffer.alloc(0)]);
}

function whole(what: string, bytes: Buffer): RawRequest {
  return { what, bytes, isLast: false };
}

function last(what: string, bytes: Buffer): RawRequest {
  return { what, bytes, isLast: true };
}
