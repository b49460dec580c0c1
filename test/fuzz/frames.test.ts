import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { RawSocket } from '../support/raw.ts';
import { Random } from '../support/random.ts';
import { stageSpawnedServer } from '../support/spawned-stage.ts';
import { BAD_FRAMES, emptyPieces, FrameReader, pingFlood, textFrame, unusualText } from './frames.ts';

const UPGRADE =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A connection of which each byte is given, and what was said on it. */
class ByteSocket {
  readonly socket: Socket;
  readonly ended: Promise<unknown>;
  readonly #texts: string[] = [];
  readonly #waiters = new Set<() => void>();

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.socket.once('close', resolve));
    const reader = new FrameReader();
    let head = '';
    this.socket.on('data', (chunk: Buffer) => {
      let bytes = chunk;
      if (!head.includes('\r\n\r\n')) {
        const before = head.length;
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        bytes = chunk.subarray(end + 4 - before);
      }
      this.#texts.push(...reader.read(bytes).map(({ payload }) => payload.toString()));
      for (const look of this.#waiters) look();
    });
    this.socket.write(UPGRADE);
  }

  async heard(start: string): Promise<string> {
    for (;;) {
      const found = this.#texts.find((text) => text.startsWith(start));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }
}

describe('a frame', () => {
  const stage = stageSpawnedServer();
  const sockets: ByteSocket[] = [];

  afterEach(async () => {
    for (const { socket } of sockets.splice(0)) socket.destroy();
    expect(stage.server.isRunning()).toBe(true);
    const next = await RawSocket.connect(stage.url);
    expect(await next.command('session:create', {})).toMatchObject({ ok: true });
    await next.close();
  });

  async function connected(): Promise<ByteSocket> {
    const socket = new ByteSocket(stage.server.port);
    sockets.push(socket);
    await socket.heard('0{');
    socket.socket.write(textFrame('40'));
    await socket.heard('40{');
    return socket;
  }

  it.each(BAD_FRAMES)(
    'that is wrong by %s ends its connection or waits for the rest, and no more',
    async (_what, make) => {
      const { socket, ended } = await connected();
      socket.write(make(new Random(7)));
      // Half closed: who waits for the rest learns that there is none.
      socket.end();
      await ended;
    },
  );

  it.each([
    ['in pieces, with pings between them', (random: Random) => unusualText('429["session:get",{}]', random)],
    ['after 5,000 pings', () => Buffer.concat([pingFlood(5_000), textFrame('429["session:get",{}]')])],
    [
      'after a message of 5,000 empty pieces',
      () => Buffer.concat([emptyPieces(5_000), textFrame('429["session:get",{}]')]),
    ],
  ])('that is unusual is understood: %s', async (_what, make) => {
    const socket = await connected();
    socket.socket.write(make(new Random(7)));
    expect(await socket.heard('439[')).toContain('NOT_IN_SESSION');
  });
});
