/** Everything at once that is meant to keep a server from its work. A process of its own: the pair is measured in another. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { nestedLists } from './hostile-json.ts';

const LOGINS_PER_SECOND = 50;
const DEEP_PER_SECOND = 50;
const SLOW_READERS = 200;
const SEATS_OF_A_SESSION = 50;
const SILENT_SOCKETS = 2_000;
const OPENED_AT_ONCE = 100;
/** Of each session: enough to fill what the kernel keeps for a reader, and then what the server does, within 20 s. */
const SAID_PER_SECOND = 10;
const BODY = 'x'.repeat(15_000);

const counts = {
  logins: 0,
  deepBodies: 0,
  deepPackets: 0,
  slowReaders: 0,
  slowReadersClosed: 0,
  silent: 0,
  silentClosed: 0,
};
const statuses = new Map<number, number>();
let addresses = 0;

const port = Number(process.argv[2]);
const durationMs = Number(process.argv[3]);
await Promise.all([slowReaders(), silentSockets()]);
console.log('ready');
const endsAt = performance.now() + durationMs;
await Promise.all([logins(), deepBodies(), deepPackets(), delay(durationMs)]);
console.log(JSON.stringify({ ...counts, loginAnswers: Object.fromEntries(statuses) }));
process.exit(0);

/** The server believes its proxy: each attacker has an address of its own, as a botnet has. */
function address(): Record<string, string> {
  addresses += 1;
  return { 'X-Forwarded-For': `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}` };
}

async function everySoOften(perSecond: number, act: () => unknown): Promise<void> {
  while (performance.now() < endsAt) {
    act();
    await delay(1000 / perSecond);
  }
}

async function logins(): Promise<void> {
  await everySoOften(LOGINS_PER_SECOND, () => {
    counts.logins += 1;
    const body = { email: `${counts.logins % 500}@example.com`, password: `a guess of mine ${counts.logins}` };
    void post('/api/v1/auth/login', JSON.stringify(body)).then((status) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    });
  });
}

async function deepBodies(): Promise<void> {
  const bodies = [nestedLists(30_000), `{"email":${nestedLists(10_000)}}`, '['.repeat(60_000), '{"a":'.repeat(12_000)];
  await everySoOften(DEEP_PER_SECOND, () => {
    counts.deepBodies += 1;
    void post('/api/v1/auth/login', bodies[counts.deepBodies % bodies.length] ?? '');
  });
}

/** Each connection is ended after some: then the next one comes. */
async function deepPackets(): Promise<void> {
  const packet = `421["message:send",{"id":"message-1","body":${nestedLists(30_000)}}]`;
  let socket: WebSocket | null = null;
  await everySoOften(DEEP_PER_SECOND, () => {
    if (socket === null || socket.readyState > WebSocket.OPEN) socket = open();
    if (socket.readyState !== WebSocket.OPEN) return;
    counts.deepPackets += 1;
    socket.send(packet, () => undefined);
  });
}

/** Full sessions in which one talks and the others do not read. */
async function slowReaders(): Promise<void> {
  for (let left = SLOW_READERS; left > 0; left -= SEATS_OF_A_SESSION - 1) {
    const talker = open();
    const { session } = (await command(talker, 'session:create', { capacity: SEATS_OF_A_SESSION })) as {
      session: { code: string };
    }; // What a create is answered.
    const readers = Array.from({ length: Math.min(left, SEATS_OF_A_SESSION - 1) }, async () => {
      const reader = open();
      await command(reader, 'session:join', { code: session.code });
      counts.slowReaders += 1;
      reader.on('close', () => (counts.slowReadersClosed += 1));
      reader.pause();
    });
    await Promise.all(readers);
    setInterval(() => {
      talker.send(`42["signal:send",${JSON.stringify({ type: 'x', body: BODY })}]`, () => undefined);
      talker.send(
        `42["message:send",${JSON.stringify({ id: `slow-${Math.random().toString(36).slice(2)}`, body: BODY })}]`,
        () => undefined,
      );
    }, 1000 / SAID_PER_SECOND);
  }
}

/** Half of them never say a word, the other half becomes a WebSocket and does not then. */
async function silentSockets(): Promise<void> {
  for (let opened = 0; opened < SILENT_SOCKETS; opened += OPENED_AT_ONCE) {
    for (let n = 0; n < OPENED_AT_ONCE; n += 1) {
      counts.silent += 1;
      if (n % 2 === 0) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.on('close', () => (counts.silentClosed += 1));
        socket.resume();
      } else {
        const socket = new WebSocket(socketUrl(), { headers: address() });
        socket.on('error', () => undefined);
        socket.on('close', () => (counts.silentClosed += 1));
      }
    }
    await delay(50);
  }
}

function socketUrl(): string {
  return `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
}

/** Says CONNECT, and answers pings, whatever else it does. */
function open(): WebSocket {
  const socket = new WebSocket(socketUrl(), { headers: address() });
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    if (text.startsWith('0{')) socket.send('40{}');
    if (text === '2') socket.send('3');
  });
  return socket;
}

async function command(socket: WebSocket, name: string, payload: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error(`the connection ended before ${name} was answered`)));
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith('40{')) socket.send(`420${JSON.stringify([name, payload])}`);
      if (text.startsWith('430[')) resolve((JSON.parse(text.slice(3)) as unknown[])[0]);
    });
  });
}

/** 0 when it was not answered. */
async function post(path: string, body: string): Promise<number> {
  const headers = { 'Content-Type': 'application/json', ...address() };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body }).catch(() => null);
  await response?.arrayBuffer().catch(() => undefined);
  return response?.status ?? 0;
}
