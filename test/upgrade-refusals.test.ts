import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/problem.ts';
import { stageServer, type Stage } from './support/stage.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const HEADERS = { 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Version': '13' };
const REQUEST_ID = 'the-request-of-this-test';

interface Handshake {
  readonly method?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** All that the server says to the handshake until it hangs up. */
async function refusalOf({ port }: Stage, { method = 'GET', query, headers = HEADERS }: Handshake) {
  const socket = connect(port, '127.0.0.1');
  const lines = Object.entries({ Upgrade: 'websocket', Connection: 'Upgrade', 'X-Request-Id': REQUEST_ID, ...headers });
  socket.write(
    `${method} /socket.io/?${query ?? 'EIO=4&transport=websocket'} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
      `${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
  const answer = await text(socket);
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const fields = new Map(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return { status: Number(head.split(' ')[1]), fields, body: rest.join('\r\n\r\n') };
}

describe.each(['websocket', 'websocket,polling'])('a handshake of WebSocket, transports being %s,', (transports) => {
  const stage = stageServer({ SOCKET_TRANSPORTS: transports });
  const served = 'transport=websocket';

  it.each<[string, Handshake]>([
    ['another version', { headers: { ...HEADERS, 'Sec-WebSocket-Version': '3' } }],
    ['no version', { headers: { 'Sec-WebSocket-Key': KEY } }],
    ['a key that is none', { headers: { ...HEADERS, 'Sec-WebSocket-Key': 'short' } }],
    ['no key', { headers: { 'Sec-WebSocket-Version': '13' } }],
    ['protocols that cannot be read', { headers: { ...HEADERS, 'Sec-WebSocket-Protocol': 'a,,b' } }],
    ['the protocol of Socket.IO 2', { query: `EIO=3&${served}` }],
    ['no protocol', { query: served }],
    ['two protocols', { query: `EIO=4&EIO=3&${served}` }],
    ['a connection that is not there', { query: `EIO=4&${served}&sid=unknown` }],
    ['a connection named like a property', { query: `EIO=4&${served}&sid=__proto__` }],
    ['two transports', { query: `EIO=4&${served}&transport=polling` }],
  ])('with %s is refused as everything is', async (_what, handshake) => {
    const { status, fields, body } = await refusalOf(stage, handshake);
    expect([status, fields.get('x-request-id')]).toEqual([400, REQUEST_ID]);
    expect(fields.get('content-type')).toMatch(/^application\/problem\+json/);
    const problem = JSON.parse(body) as Problem;
    expect(problem).toMatchObject({ status: 400, code: 'INVALID_PAYLOAD', requestId: REQUEST_ID });
  });

  it('is told which version is spoken', async () => {
    const { fields } = await refusalOf(stage, { headers: { ...HEADERS, 'Sec-WebSocket-Version': '3' } });
    expect(fields.get('sec-websocket-version')).toBe('13');
  });

  it('begins with GET', async () => {
    for (const method of ['POST', 'OPTIONS']) {
      const { status, fields, body } = await refusalOf(stage, { method });
      expect([status, fields.get('allow'), fields.get('x-request-id')]).toEqual([405, 'GET', REQUEST_ID]);
      expect(JSON.parse(body)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
    }
  });
});

describe('long polling', () => {
  const stage = stageServer({ SOCKET_TRANSPORTS: 'websocket,polling' });

  it.each([
    ['of Socket.IO 2', 'EIO=3&transport=polling'],
    ['on a connection that is not there', 'EIO=4&transport=polling&sid=unknown'],
  ])('%s is refused as everything is', async (_what, query) => {
    const response = await fetch(`${stage.url}/socket.io/?${query}`, { headers: { 'X-Request-Id': REQUEST_ID } });
    expect([response.status, response.headers.get('X-Request-Id')]).toEqual([400, REQUEST_ID]);
    expect(response.headers.get('Content-Type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code: 'INVALID_PAYLOAD' });
  });
});
