import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Server } from 'socket.io';
import { Client } from '../../test/support/client.ts';
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
