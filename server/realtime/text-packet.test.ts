import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Server } from 'socket.io';
import { Client } from '../../test/support/client.ts';
import { RawSocket } from '../../test/support/raw.ts';
import { Connection, type TandemServer, type TandemSocket } from './connection.ts';
import { messagePacket, sendPacket, textPacket } from './text-packet.ts';

let io: TandemServer;
let url: string;

beforeAll(async () => {
  const http = createServer();
  io = new Server(http);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`; // It listens on a port.
});
afterAll(() => io.close());

/** The server's side of a connection that is opened now. */
async function joined<T>(open: () => T): Promise<{ peer: Awaited<T>; connection: Connection }> {
  const taken = new Promise<TandemSocket>((resolve) => void io.once('connection', resolve));
  const peer = await open();
  return { peer, connection: new Connection(await taken, { address: '', bucket: '' }, 0) };
}

/** Around each border of the length in a frame, less the byte that Engine.IO adds; and far from all. */
const BYTES = [0, 1, 2, 123, 124, 125, 126, 127, 128, 65_533, 65_534, 65_535, 65_536, 65_537, 70_000];

/** Characters of one to four bytes, and none that is cut. */
function textOf(bytes: number, character: string): string {
  const each = Buffer.byteLength(character);
  return character.repeat(Math.floor(bytes / each)) + 'x'.repeat(bytes % each);
}

it('are whole texts on a WebSocket, of every length and with every character', async () => {
  const { peer, connection } = await joined(() => RawSocket.connect(url));
  const texts = BYTES.flatMap((bytes) => ['a', 'é', '€', '😀'].map((character) => textOf(bytes, character)));
  for (const text of texts) sendPacket(connection, textPacket(text));
  sendPacket(connection, textPacket('the end'));
  await peer.next((frame) => frame === '4the end', 'the end');
  const received = peer.frames.all.filter((frame) => !frame.startsWith('0{') && !frame.startsWith('40{'));
  expect(received.map((frame) => frame.length)).toEqual([...texts.map((text) => text.length + 1), '4the end'.length]);
  // Told apart before they are compared: a difference of 70,000 characters is nothing to read.
  expect(received.slice(0, -1).filter((frame, index) => frame !== `4${texts[index]}`)).toHaveLength(0);
  await peer.close();
});

it('have headers that are as short as they can be', () => {
  for (const bytes of BYTES) {
    const frame = textPacket(textOf(bytes, 'é')).frame[0];
    expect(frame.length - bytes - 1).toBe(bytes + 1 < 126 ? 2 : bytes + 1 < 65_536 ? 4 : 10);
  }
});

it('show what is half a character as one that is not known, as every text on the wire', async () => {
  const { peer, connection } = await joined(() => RawSocket.connect(url));
  sendPacket(connection, textPacket('a\ud83dz'));
  expect(await peer.next((frame) => frame.startsWith('4a'), 'the text')).toBe('4a\ufffdz');
  await peer.close();
});

it.each([[['websocket']], [['polling']], [['polling', 'websocket']]] as const)(
  'are messages to a client by %j, in their order among events of Socket.IO',
  async (transports) => {
    const { peer, connection } = await joined(() => new Client(url, { transports: [...transports] }));
    const idle = { closesAt: '2026-01-31T12:00:00.000Z' };
    for (let seq = 1; seq <= 40; seq += 1) {
      const body = textOf(seq === 20 ? 70_000 : seq, '😀');
      if (seq % 3 === 0) connection.socket.emit('session:idle', idle);
      sendPacket(connection, messagePacket(JSON.stringify({ seq, body })));
    }
    await peer.next('message:new', ({ seq }) => seq === 40);
    expect(peer.messages().map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(peer.messages()[19]?.body).toBe(textOf(70_000, '😀'));
    const order = peer.arrivals().filter((event) => event !== 'connect');
    expect(order.map((event) => event === 'session:idle')).toEqual(
      Array.from({ length: 53 }, (_, index) => index % 4 === 2),
    );
    peer.close();
  },
);

it('are one packet for all who receive it, whatever their transport', async () => {
  const { peer: one, connection: first } = await joined(() => new Client(url));
  const { peer: two, connection: second } = await joined(() => new Client(url, { transports: ['polling'] }));
  const { peer: three, connection: third } = await joined(() => new Client(url));
  const packet = messagePacket('{"seq":7}');
  for (let round = 0; round < 3; round += 1) {
    for (const connection of [first, second, third]) sendPacket(connection, packet);
  }
  for (const peer of [one, two, three]) {
    for (let round = 0; round < 3; round += 1) expect(await peer.next('message:new')).toEqual({ seq: 7 });
    peer.close();
  }
});

it('keep their order among events of Socket.IO when the peer reads nothing for a while', async () => {
  const { peer, connection } = await joined(() => RawSocket.connect(url));
  const before = peer.frames.all.length;
  peer.ws.pause();
  const body = 'x'.repeat(40_000);
  // More than the kernel keeps for one that does not read: it waits in the stream, and then in Engine.IO.
  for (let count = 0; count < 300; count += 1) {
    if (count % 7 === 3) connection.socket.emit('session:idle', { closesAt: `${count}` });
    else sendPacket(connection, textPacket(`2["message:new",{"seq":${count},"body":"${body}"}]`));
    if (count % 50 === 0) await new Promise((resolve) => void setImmediate(resolve));
  }
  const { socket } = connection.socket.conn.transport as unknown as { socket: { bufferedAmount: number } };
  expect(socket.bufferedAmount).toBeGreaterThan(0);
  peer.ws.resume();
  await peer.next((frame) => frame.startsWith('42["message:new",{"seq":299,'), 'the last one');
  const numbers = peer.frames.all.slice(before).map((frame) => Number(/"(?:seq":|closesAt":")(\d+)/.exec(frame)?.[1]));
  expect(numbers).toEqual(Array.from({ length: 300 }, (_, count) => count));
  await peer.close();
});

it('come in order and once to a client that goes from polling to a WebSocket meanwhile', async () => {
  const transports = ['polling', 'websocket'] as const;
  const { peer, connection } = await joined(() => new Client(url, { transports: [...transports] }));
  const { conn } = connection.socket;
  let seq = 0;
  for (let after = 0; after < 50; after += conn.transport.name === 'websocket' ? 1 : 0) {
    sendPacket(connection, messagePacket(`{"seq":${(seq += 1)}}`));
    if (seq % 5 === 0) sendPacket(connection, messagePacket(`{"seq":${(seq += 1)}}`));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await peer.next('message:new', (message) => message.seq === seq);
  expect(peer.messages().map((message) => message.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
  peer.close();
});

it('never follow the Close frame of their connection', async () => {
  const { peer, connection } = await joined(() => RawSocket.connect(url));
  const { socket } = connection.socket.conn.transport as unknown as {
    socket: { close(): void; _socket: { bytesWritten: number } };
  };
  socket.close();
  const { bytesWritten } = socket._socket;
  sendPacket(connection, textPacket('2["message:new",{}]'));
  expect(socket._socket.bytesWritten).toBe(bytesWritten);
  await peer.close();
});

it('are dropped without a word when the connection is gone', async () => {
  const { peer, connection } = await joined(() => new Client(url));
  await peer.opened();
  const gone = new Promise<void>((resolve) => void connection.socket.once('disconnect', () => resolve()));
  peer.close();
  await gone;
  sendPacket(connection, textPacket('2["message:new",{}]'));
  const { peer: other, connection: closing } = await joined(() => new Client(url));
  await other.opened();
  const ended = other.next('disconnect');
  closing.socket.conn.close();
  sendPacket(closing, messagePacket('{"seq":1}'));
  await ended;
  expect(other.messages()).toEqual([]);
});
