import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Server, type Namespace } from 'socket.io';
import { RawSocket } from '../../test/support/raw.ts';
import type { TandemServer } from './connection.ts';
import { LEAVING_NONE, refuseStrangeNamespaces, shareAdapter } from './strange-namespaces.ts';

const NAMES = 1000;

let io: TandemServer;
let url: string;
let shared: string[];

/** What Socket.IO keeps of namespaces, those with a pattern too. */
interface Kept {
  readonly _nsps: ReadonlyMap<string, Namespace>;
  readonly parentNsps: ReadonlyMap<unknown, { readonly children: ReadonlySet<Namespace> }>;
}
const kept = () => {
  const { _nsps: namespaces, parentNsps } = io as unknown as Kept;
  return [[...namespaces.keys()], [...parentNsps.values()].flatMap(({ children }) => [...children]).length];
};

beforeEach(async () => {
  const http = createServer();
  io = new Server(LEAVING_NONE);
  shared = [];
  const inMemory = io.adapter() as unknown as new (namespace: Namespace) => object; // Socket.IO's default is a class.
  const adapter = function (namespace: Namespace) {
    shared.push(namespace.name);
    return new inMemory(namespace);
  };
  shareAdapter(io, adapter as unknown as Parameters<typeof shareAdapter>[1], new Set(['/', '/console']));
  io.attach(http);
  io.of('/console');
  refuseStrangeNamespaces(io, (socket, next) => {
    next(Object.assign(new Error('UNKNOWN_COMMAND'), { data: { name: socket.nsp.name } }));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`; // It listens on a port.
});
afterEach(async () => {
  await io.close();
});

describe('a namespace that nobody serves', () => {
  it(`is refused with what the refusal says, and ${NAMES} of them leave nothing behind`, async () => {
    const before = kept();
    const names = Array.from({ length: NAMES }, (_, n) => `/strange-${n}`);
    const socket = await RawSocket.open(url);
    const created: string[] = [];
    io.on('new_namespace', ({ name }) => created.push(name));
    for (const name of names) socket.send(`40${name},{}`);
    for (const name of names) {
      const refusal = await socket.next((frame) => frame.startsWith(`44${name},`), `the refusal of ${name}`);
      expect(JSON.parse(refusal.slice(`44${name},`.length))).toEqual({ message: 'UNKNOWN_COMMAND', data: { name } });
    }
    expect(created).toEqual(names);
    expect(kept()).toEqual(before);
    await socket.close();
  });

  it('leaves nothing behind when many enter it at once', async () => {
    const before = kept();
    const sockets = await Promise.all(Array.from({ length: 5 }, () => RawSocket.open(url)));
    for (const socket of sockets) socket.send('40/strange,{}');
    for (const socket of sockets) await socket.next((frame) => frame.startsWith('44/strange,'), 'a refusal');
    expect(kept()).toEqual(before);
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  it('has no adapter that other instances share', async () => {
    const socket = await RawSocket.open(url);
    socket.send('40/strange,{}');
    await socket.next((frame) => frame.startsWith('44/strange,'), 'a refusal');
    expect(shared).toEqual(['/', '/console']);
    await socket.close();
  });

  it('is none of those that are served', async () => {
    const socket = await RawSocket.open(url);
    socket.send('40/console,{}');
    await socket.next((frame) => frame.startsWith('40/console,'), 'the answer to CONNECT');
    await socket.close();
  });
});
