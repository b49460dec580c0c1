import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Server } from 'socket.io';
import { Client } from '../../test/support/client.ts';
import { closedText, openText, type Delivery } from '../sessions/message-text.ts';
import { Connection, type TandemServer, type TandemSocket } from './connection.ts';
import { Rooms } from './rooms.ts';

const SESSION = 'session';
const CLOSED = { sessionId: SESSION, reason: 'closed' } as const;

let io: TandemServer;
let rooms: Rooms;
let client: Client;
let connection: Connection;

beforeEach(async () => {
  const http = createServer();
  io = new Server(http);
  rooms = new Rooms({ io, onOrphan: () => undefined });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const taken = new Promise<TandemSocket>((resolve) => void io.once('connection', resolve));
  client = new Client(`http://127.0.0.1:${(http.address() as AddressInfo).port}`); // It listens on a port.
  connection = new Connection(await taken, { address: '', bucket: '' }, 0);
  rooms.add(connection);
  sit('seat');
});

afterEach(async () => {
  client.close();
  await io.close();
});

function sit(seatId: string): void {
  rooms.attach(connection, SESSION, { seatId, generation: 1 });
  rooms.release(connection);
}

it('tells the end of a session once, however often the store is found to say so', async () => {
  rooms.toAll(SESSION, 'session:closed', CLOSED);
  // A look after a break comes to the same.
  rooms.toHere(SESSION, 'session:closed', CLOSED);
  rooms.toHere(SESSION, 'session:idle', { closesAt: '' });
  await client.next('session:idle');
  expect(client.received('session:closed')).toEqual([CLOSED]);
});

it('tells it to whoever comes to read after all had gone', async () => {
  rooms.toAll(SESSION, 'session:closed', CLOSED);
  rooms.detach(SESSION, 'seat');
  sit('seat');
  rooms.toHere(SESSION, 'session:closed', CLOSED);
  rooms.toHere(SESSION, 'session:idle', { closesAt: '' });
  await client.next('session:idle');
  expect(client.received('session:closed')).toEqual([CLOSED, CLOSED]);
});

describe('messages', () => {
  const other = { seatId: 'other', generation: 1 };
  const idle = { closesAt: '' };

  function messageOf(seq: number): Delivery {
    const [id, from, sentAt] = [`message-${seq}`, other.seatId, 1_800_000_000_000];
    const text = openText({ id, sessionId: SESSION, from, type: 'text', bodyJson: '{"é":"😀"}' });
    return { id, sessionId: SESSION, from, seq, sentAt, json: closedText(text, seq, sentAt) };
  }

  const seqs = () => client.messages().map(({ seq }) => seq);
  const heard = () => client.arrivals().filter((name) => name === 'message:new' || name === 'session:idle');

  async function settled(): Promise<void> {
    const name = 'server:draining';
    connection.socket.emit(name, { reconnectAfterMs: 0 });
    await client.next(name);
  }

  it('reach a participant as they were stored', async () => {
    expect(rooms.deliver(messageOf(1), other)).toBe(true);
    expect(await client.next('message:new')).toEqual(JSON.parse(messageOf(1).json));
  });

  it('pass by the connection that sent them alone: not a later one of its seat, and not who sits nowhere', async () => {
    expect(rooms.deliver(messageOf(1), { seatId: 'seat', generation: 1 })).toBe(false);
    expect(rooms.deliver(messageOf(2), { seatId: 'seat', generation: 2 })).toBe(true);
    expect(rooms.deliver(messageOf(3), { seatId: 'seat', generation: -1 })).toBe(true);
    expect(rooms.deliver({ ...messageOf(4), sessionId: 'another session' }, other)).toBe(false);
    rooms.detach(SESSION, 'seat');
    expect(rooms.deliver(messageOf(5), other)).toBe(false);
    await settled();
    expect(seqs()).toEqual([2, 3]);
  });

  it('wait with what else is told until the answer is out, keep their order, and come once', async () => {
    rooms.attach(connection, SESSION, { seatId: 'seat', generation: 2 });
    for (const seq of [1, 2, 3]) {
      expect(rooms.deliver(messageOf(seq), other)).toBe(true);
      if (seq === 2) rooms.toAll(SESSION, 'session:idle', idle);
    }
    await settled();
    expect(heard()).toEqual([]);
    rooms.release(connection, 1);
    rooms.release(connection);
    rooms.deliver(messageOf(4), other);
    await settled();
    expect(seqs()).toEqual([2, 3, 4]);
    expect(heard()).toEqual(['message:new', 'session:idle', 'message:new', 'message:new']);
  });

  it('that waited for a seat that was taken away are told nobody', async () => {
    rooms.attach(connection, SESSION, { seatId: 'seat', generation: 2 });
    rooms.deliver(messageOf(1), other);
    rooms.detach(SESSION, 'seat');
    rooms.release(connection);
    sit('seat');
    rooms.deliver(messageOf(2), other);
    await settled();
    expect(seqs()).toEqual([2]);
  });

  it('are no matter of those whose connection ends meanwhile', async () => {
    const gone = new Promise<void>((resolve) => void connection.socket.once('disconnect', () => resolve()));
    rooms.end(connection, 'slow_consumer');
    rooms.deliver(messageOf(1), other);
    await gone;
    // It still has its seat until the gateway says that it is gone.
    rooms.deliver(messageOf(2), other);
    rooms.release(connection);
    expect(rooms.remove(connection)).toMatchObject({ seatId: 'seat' });
    expect(rooms.deliver(messageOf(3), other)).toBe(false);
    await client.next('disconnect');
    expect(seqs()).toEqual([]);
  });
});
