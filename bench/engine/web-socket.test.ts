import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws';
import { WebSocket } from './web-socket.ts';

const http = createServer();
let server: WebSocketServer;
let client: WebSocket;
let peer: ServerSocket;
let texts: string[];
let closed: Promise<string | null>;

beforeEach(async () => {
  http.removeAllListeners('upgrade');
  server = new WebSocketServer({ server: http });
  if (!http.listening) await once(http.listen(0, '127.0.0.1'), 'listening');
  texts = [];
  const connected = once(server, 'connection') as Promise<[ServerSocket]>;
  closed = new Promise((resolve) => {
    const events = { onText: (text: string) => texts.push(text), onClose: resolve };
    client = new WebSocket(`127.0.0.1:${portOf()}`, '/anywhere', events);
  });
  [peer] = await connected;
});
afterEach(async () => {
  client.terminate();
  await closed;
  server.close();
  if (http.listening) await new Promise((resolve) => http.close(resolve));
});

function portOf(): number {
  return (http.address() as AddressInfo).port; // it listens on a port, not on a path
}

/** What the server sent has come when a text behind it has. */
async function received(): Promise<string[]> {
  peer.send('the end');
  while (texts.at(-1) !== 'the end') await new Promise(setImmediate);
  return texts.slice(0, -1);
}

describe('the WebSocket of the generator', () => {
  it('reads texts of every length, many in one chunk, one in many, and in fragments', async () => {
    const sent = ['', 'ä€😀', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(65_536), 'u'.repeat(300_000)];
    for (const text of sent) peer.send(text);
    peer.send('first ', { fin: false });
    peer.send('second', { fin: true });
    expect(await received()).toEqual([...sent, 'first second']);
  });

  it('writes texts that a server understands, whatever characters they hold', async () => {
    const got: string[] = [];
    const sent = ['', 'ascii', 'é', 'ä€😀', 'x'.repeat(200), 'y'.repeat(65_535)];
    const all = new Promise<void>((resolve) => {
      peer.on('message', (data: Buffer) => {
        got.push(data.toString());
        if (got.length === sent.length) resolve();
      });
    });
    for (const text of sent) client.send(text);
    await all;
    expect(got).toEqual(sent);
  });

  it('answers a ping, and closes in order from either side', async () => {
    const pong = once(peer, 'pong');
    peer.ping('are you there');
    expect(String((await pong)[0])).toBe('are you there');
    const gone = once(peer, 'close');
    client.close();
    await gone;
    expect(await closed).toBeNull();
    expect(client.isClosed).toBe(true);
  });

  it('says why there was no connection', async () => {
    const refusing = createServer();
    refusing.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'));
    await once(refusing.listen(0, '127.0.0.1'), 'listening');
    const { port } = refusing.address() as AddressInfo; // as above
    const reason = await new Promise((resolve) => {
      new WebSocket(`127.0.0.1:${port}`, '/', { onText: () => undefined, onClose: resolve });
    });
    expect(reason).toContain('503');
    await new Promise((resolve) => refusing.close(resolve));
  });
});
