import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Server } from 'socket.io';
import { RawSocket } from '../../test/support/raw.ts';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { Connection, type TandemServer } from './connection.ts';
import { takeShortWay } from './short-way.ts';

interface Stage {
  readonly io: TandemServer;
  readonly url: string;
}

/** Of a WebSocket. */
type Frame = string | Buffer;

/** Without the short way, and with it. */
const servers: Stage[] = [];
/** How many events came by the short way. */
let takenShort = 0;

const KNOWN = new Set<unknown>(['message:send', 'session:get', 'ö', '']);
/** What every script ends with. */
const LAST = 777_777;

async function start(hasShortWay: boolean): Promise<Stage> {
  const http = createServer();
  const io: TandemServer = new Server(http);
  io.on('connection', (socket) => {
    socket.on('error', () => undefined);
    // As the gateway does it: who left the namespace is told nothing more.
    socket.on('disconnect', () => socket.conn.close());
    // Tells what it took. It answers three times: of what is no JSON and what comes after an answer nobody hears.
    const take = (packet: readonly unknown[]) => {
      const ack = packet[packet.length - 1];
      const took = packet.map((part) => (typeof part === 'function' ? 'ack' : part));
      if (typeof ack !== 'function')
        socket.emit('session:idle', { took } as never); // Any event will do.
      else {
        try {
          (ack as (answer: unknown) => void)({ no: 1n });
        } catch {
          // It is no JSON; where nobody is there any more it is not looked at.
        }
        for (const round of [1, 2]) (ack as (answer: unknown) => void)({ took, round });
      }
    };
    socket.use(take);
    if (!hasShortWay) return;
    takeShortWay(new Connection(socket, { address: '', bucket: '' }, 0), {
      knows: (name) => KNOWN.has(name),
      take: (packet) => {
        takenShort += 1;
        take(packet);
      },
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { io, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }; // It listens on a port.
}

beforeAll(async () => {
  servers.push(await start(false), await start(true));
});
afterAll(() => Promise.all(servers.map(({ io }) => io.close())));

/**
 * Everything that the server says to these frames, and whether it ends the connection. They are handed to its transport,
 * either all in one turn or each in its own: what comes before an error is answered in the one case and not in the other,
 * and how the kernel cuts a stream is chance.
 */
async function answersOf({ io, url }: Stage, frames: readonly Frame[], isOneTurn: boolean): Promise<string[]> {
  const socket = await RawSocket.connect(url);
  const before = socket.frames.all.length;
  const conn = io.sockets.sockets.get(idOf(socket.frames.all.at(-1) ?? ''))?.conn;
  for (const frame of [...frames, `42${LAST}["message:send"]`]) {
    // Engine.IO's types hide what its WebSocket calls with each frame.
    (conn?.transport as unknown as { onData(data: Frame): void }).onData(frame);
    if (!isOneTurn) await new Promise((resolve) => void setImmediate(resolve));
  }
  await socket.nextOrClosed((frame) => frame.startsWith(`43${LAST}[`), 'the last answer');
  const said = socket.frames.all.slice(before);
  await socket.close();
  return said;
}

/** Of the answer to CONNECT. */
function idOf(frame: string): string {
  return (JSON.parse(frame.slice(2)) as { sid: string }).sid; // By the protocol.
}

async function expectSame(frames: readonly Frame[]): Promise<string[]> {
  const answers: string[] = [];
  for (const isOneTurn of [true, false]) {
    const [plain = [], short = []] = await Promise.all(servers.map((server) => answersOf(server, frames, isOneTurn)));
    // What was sent stands beside it, so that a failure says it.
    expect({ isOneTurn, frames, said: short }).toEqual({ isOneTurn, frames, said: plain });
    answers.push(...plain);
  }
  return answers;
}

function digits(random: Random, most: number): string {
  return Array.from({ length: random.below(most + 1) }, () => String(random.below(10))).join('');
}

const NAMES = [
  'message:send',
  'session:get',
  'ö',
  '',
  'nothing:known',
  'connect',
  'disconnect',
  'error',
  'newListener',
];
const STRANGE_NAMES = [...NAMES, '__proto__', 'constructor', 7, null, true, ['message:send'], { a: 1 }];
const PAYLOADS = [
  '{}',
  '{"id":"a","body":"é😀"}',
  'null',
  '"text"',
  '[[[]]]',
  '{"__proto__":{"a":1}}',
  '"\\ud83d"',
  '1e999',
];
const HEADS = ['', '', '', '', '/,', '/x,', '/', ',', ' ', '-', '+1', '1.5', '1e3', '0x10', '00', '٣', '\u00a0', '1 '];
const TAILS = ['', '', '', '', '', ' ', '\n', ']', ',', 'x', '\u0000', '\ufeff'];

/** Whether something odd is to be, once in so many times: much of what is odd ends the connection, and so the script. */
type Odd = (onceIn: number) => boolean;

function plainEvent(random: Random, isOdd: Odd): string {
  const id = random.pick(['', digits(random, 3), digits(random, 17), digits(random, 30), `000${digits(random, 12)}`]);
  const args = Array.from({ length: random.below(4) }, () => random.pick(PAYLOADS));
  const name = JSON.stringify(random.pick<unknown>(isOdd(8) ? STRANGE_NAMES : NAMES.slice(0, 5)));
  const body = isOdd(20) ? random.pick(['[]', '{}', '[', '', 'null', '[,]', '["a"']) : `[${[name, ...args].join()}]`;
  return isOdd(12) ? `42${random.pick(HEADS)}${id}${body}${random.pick(TAILS)}` : `42${id}${body}`;
}

const COUNTS = [
  '0',
  '1',
  '2',
  '01',
  '001',
  '0001',
  '1e0',
  '10e-1',
  '0x1',
  ' 1',
  '1 ',
  '1.0',
  '+1',
  '11',
  '-1',
  '',
  '1x',
];

/** A binary event with its attachments, at times fewer or more than it says, and with something in between. */
function binaryEvent(random: Random, isOdd: Odd): Frame[] {
  const count = isOdd(4) ? random.pick(COUNTS) : String(1 + random.below(3));
  const parts = Math.max(0, Math.min(12, Number(count) || 0));
  const placeholders = Array.from({ length: parts }, (_, num) => `{"_placeholder":true,"num":${num}}`);
  const args = ['"message:send"', ...placeholders].join();
  const frames: Frame[] = [`4${random.pick(['5', '5', '5', '6'])}${count}-${digits(random, 4)}[${args}]`];
  const sent = parts + (isOdd(10) ? random.pick([-1, 1]) : 0);
  for (let index = 0; index < sent; index += 1) {
    if (isOdd(20)) frames.push(plainEvent(random, isOdd));
    frames.push(Buffer.from([index, 255]));
  }
  return frames;
}

const OTHERS = ['430[1]', '440', '41', '40', '40{}', '4', '47', '49["message:send"]', '3', Buffer.from('x')];

function scriptOf(random: Random): Frame[] {
  const isTidy = random.below(5) < 2;
  const isOdd: Odd = (onceIn) => !isTidy && random.below(onceIn) === 0;
  return Array.from({ length: isTidy ? 40 : 12 }, () => {
    if (isOdd(30)) return [random.pick<Frame>(OTHERS)];
    return random.below(6) === 0 ? binaryEvent(random, isOdd) : [plainEvent(random, isOdd)];
  }).flat();
}

const seed = seedOfRun();

describe(`a server that takes events past the decoder (seed ${seed})`, () => {
  it('says byte for byte what one says that does not, to thousands of packets of every kind', async () => {
    const random = new Random(seed);
    let answered = 0;
    takenShort = 0;
    for (let round = 0; round < 8; round += 1) {
      const scripts = Array.from({ length: 10 }, () => scriptOf(random));
      const said = await Promise.all(scripts.map(expectSame));
      answered += said.flat().length;
    }
    // Most came so far that they were answered, and on the way that is to be tried.
    expect(answered).toBeGreaterThan(1500);
    expect(takenShort).toBeGreaterThan(500);
  });

  it.each(['0', '1e0', '0x1', ' 1', '001', '0001', '1.0', '10e-1', '1e1', '3', '-1', '11', 'x', ''])(
    'takes nothing in the middle of a packet with %j attachments',
    async (count) => {
      const head = `45${count}-["message:send",{"_placeholder":true,"num":0}]`;
      await expectSame([head, '421["message:send"]', '422["session:get"]']);
      await expectSame([head, Buffer.from('a'), '421["message:send"]', Buffer.from('b'), '422["session:get"]']);
    },
  );

  it('takes what comes around packets with attachments in the order in which it came', async () => {
    const binary = '452-5["message:send",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]';
    const frames = Array.from({ length: 12 }, (_, index) => [
      `42${index}["message:send",${index}]`,
      ...[binary, Buffer.from([index]), Buffer.from([index, index])],
      `42["session:get",${index}]`,
      `42["nothing:known",${index}]`,
    ]).flat();
    const said = await expectSame(frames);
    expect(said).toHaveLength(2 * (12 * 4 + 1));
  });

  it.each([0, 1, 13, 14, 15, 16, 17, 20, 30])('gives an answer its number of %d digits', async (count) => {
    const id = '9'.repeat(count);
    await expectSame([
      `42${id}["message:send",1]`,
      `4200${id}["message:send",2]`,
      `421${'0'.repeat(count)}["message:send",3]`,
    ]);
  });

  it('changes nothing where Socket.IO listens in another way', async () => {
    const [plain] = servers as [Stage];
    const taken = new Promise<Connection>((resolve) => {
      plain.io.once('connection', (socket) => resolve(new Connection(socket, { address: '', bucket: '' }, 0)));
    });
    const socket = await RawSocket.connect(plain.url);
    const connection = await taken;
    const other = () => undefined;
    connection.socket.conn.on('data', other);
    const before = connection.socket.conn.listeners('data');
    takeShortWay(connection, { knows: () => true, take: () => undefined });
    expect(connection.socket.conn.listeners('data')).toEqual(before);
    await socket.close();
  });
});
