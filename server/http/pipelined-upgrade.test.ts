import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { stageServer } from '../../test/support/stage.ts';

const FIRST = 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n';
const WEBSOCKET =
  'HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const OTHER = 'HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
const SOCKET_PATH = '/socket.io/?EIO=4&transport=websocket';

describe('a request to upgrade', () => {
  const stage = stageServer();

  /** Everything that is answered until the server hangs up; this end never does by itself. */
  async function answersTo(bytes: string): Promise<string> {
    const socket = connect({ port: Number(new URL(stage.url).port), host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    // Half closed is not hung up: that nobody reads any more is learnt by writing.
    const writing = setInterval(() => socket.write('x'), 50);
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(writing);
    return Buffer.concat(chunks).toString();
  }
  const statuses = (answers: string) => [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);

  it.each([
    ['to something that is not spoken here', `GET /health/live ${OTHER}`],
    ['to a WebSocket', `GET ${SOCKET_PATH} ${WEBSOCKET}`],
    ['to a WebSocket where there is none', `GET /nowhere ${WEBSOCKET}`],
    ['to a tunnel', 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('%s that comes before an earlier answer ends the connection after that answer', async (_what, second) => {
    expect(statuses(await answersTo(FIRST + second))).toEqual(['200']);
    expect(statuses(await answersTo(FIRST + FIRST + second))).toEqual(['200', '200']);
  });

  it.each([
    ['to something that is not spoken here', `GET /health/live ${OTHER}`, '200'],
    ['to a WebSocket where there is none', `GET /nowhere ${WEBSOCKET}`, '404'],
    [
      'to a WebSocket of another page',
      `GET ${SOCKET_PATH} HTTP/1.1\r\nOrigin: https://evil.example\r\n${WEBSOCKET.slice(10)}`,
      '403',
    ],
    ['to a tunnel', 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n', '405'],
  ])('%s is answered, and then the server hangs up, whether the peer does or not', async (_what, only, status) => {
    expect(statuses(await answersTo(`${only}and some bytes more`))).toEqual([status]);
  });
});
