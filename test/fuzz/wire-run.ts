import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '../support/environment.ts';
import { operationsOf } from '../support/open-api.ts';
import { Random } from '../support/random.ts';
import type { SpawnedServer } from '../support/spawned-server.ts';
import { commandShapes } from './command-shapes.ts';
import { FuzzClient } from './fuzz-client.ts';
import { GoodPair } from './good-pair.ts';
import { HostileJson } from './hostile-json.ts';
import { HttpRequests, type RawRequest } from './http-requests.ts';
import { Packets, type Input } from './packets.ts';

/** Connections at once. */
const LANES = 12;
const INPUTS_PER_CONNECTION = 200;
const BATCH = 24;
const PIPELINED = 12;
/** What a server asks for that has more to do than it can, at least. */
const LOAD_PAUSE_MS = 1_000;
/** Time to answer what came before. */
const HALF_CLOSE_MS = 200;
/** Twice the longest that the server may take to answer anything. */
const DEADLINE_MS = 20_000;
const MAX_FAILURES = 20;
/** Share of the run after which memory is what it is for good. */
const PLATEAU = 0.3;

/**
 * Everything that can be asked for is there to be asked for. Sessions that nobody joins end soon, so that there are as many
 * at a tenth of a long run as at its end: each takes some 12 KiB, and with the usual 15 minutes they were 40,000.
 */
export const WIRE_ENVIRONMENT: Environment = {
  CODE_TTL: '60s',
  SOCKET_TRANSPORTS: 'websocket,polling',
  DEBUG_API: 'true',
  ADMIN_TOKEN: 'an-admin-token-of-this-test',
};

export interface WireReport {
  readonly inputs: number;
  readonly byStatus: ReadonlyMap<number, number>;
  readonly failures: readonly string[];
  /** Resident memory of the server: from three tenths of the run on, and over its last tenth. */
  readonly rssBytes: readonly [number, number];
  readonly saidByThePair: number;
}

export interface WireOptions {
  readonly seed: number;
  readonly count: number;
  readonly server: SpawnedServer;
  readonly onProgress?: (inputs: number) => void;
}

/** Sends so many inputs to a server, half of them over HTTP, while a pair talks. */
export async function runWire({ seed, count, server, onProgress }: WireOptions): Promise<WireReport> {
  const failures: string[] = [];
  const byStatus = new Map<number, number>();
  let inputs = 0;
  const onFailure = (failure: string) => {
    if (failures.length < MAX_FAILURES) failures.push(`seed ${seed}, about input ${inputs}: ${failure}`);
  };
  const { port, url, pid } = server;
  const document = (await (await fetch(`${url}/api/v1/openapi.json`)).json()) as Record<string, unknown>; // What OpenAPI is.
  const operations = operationsOf(document);
  const { shapes, seatChanging } = commandShapes();
  const pair = await GoodPair.open(url);
  pair.talk(20);
  const rss: { at: number; bytes: number }[] = [];
  const sampler = setInterval(() => {
    onProgress?.(inputs);
    void residentBytes(pid).then((bytes) => rss.push({ at: inputs, bytes }));
  }, 1000);
  const lane = async (index: number): Promise<void> => {
    const random = new Random(seed * 1000 + index);
    const packets = new Packets(random, shapes, seatChanging);
    const requests = new HttpRequests(random, operations);
    while (inputs < count && failures.length < MAX_FAILURES && server.isRunning()) {
      const most = Math.min(INPUTS_PER_CONNECTION, count - inputs);
      const way = random.below(10);
      if (way < 5) await overWebSocket(port, random, packets, most, (sent) => (inputs += sent), onFailure);
      else if (way < 9) {
        const sent = Array.from({ length: Math.min(PIPELINED, most) }, () => requests.next());
        const end = sent.findIndex(({ isLast }) => isLast);
        inputs += end === -1 ? sent.length : end + 1;
        await overHttp(port, end === -1 ? sent : sent.slice(0, end + 1), byStatus, onFailure);
      } else {
        inputs += await overPolling(port, random, packets, byStatus, onFailure);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
  } finally {
    clearInterval(sampler);
  }
  failures.push(...(await pair.end()));
  if (!server.isRunning()) failures.push(`the server has ended: ${server.stderr()}`);
  failures.push(...faultsIn(server).slice(0, MAX_FAILURES));
  rss.push({ at: inputs, bytes: await residentBytes(pid) });
  const between = (from: number, to: number) =>
    median(rss.filter(({ at }) => at >= count * from && at <= count * to).map(({ bytes }) => bytes));
  return {
    ...{ inputs, byStatus, failures, saidByThePair: pair.sent },
    rssBytes: [between(PLATEAU, PLATEAU + 0.3), between(0.8, 2)],
  };
}

async function overWebSocket(
  port: number,
  random: Random,
  packets: Packets,
  most: number,
  count: (sent: number) => void,
  onFailure: (failure: string) => void,
): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const upgrade =
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const client = new FuzzClient(socket, { takesAll: false, upgrade, onFailure });
  const deadline = setTimeout(() => {
    onFailure(`never answered: ${client.unanswered().join(', ') || 'CONNECT'}`);
    client.close();
  }, DEADLINE_MS);
  try {
    const isHostile = random.below(6) === 0;
    const hostile = new HostileJson(random);
    const auth = isHostile ? `{"token":${hostile.value(2)},"resume":${hostile.value(3)}}` : '';
    count(1);
    const isConnected = await client.connect(auth, isHostile);
    if (client.wasRefusedForLoad) await delay(LOAD_PAUSE_MS);
    if (!isConnected || isHostile) return;
    if (random.below(4) > 0) client.send([packets.valid('session:create')]);
    await client.settled();
    for (let sent = 0; sent < most && client.isOpen;) {
      const batch: Input[] = [];
      while (batch.length < BATCH && batch.at(-1)?.isLast !== true && batch.at(-1)?.changesSeat !== true)
        batch.push(packets.next());
      sent += batch.length;
      count(batch.length);
      // Here the clock cannot be turned: 20 of these within 10 s are too many.
      if (batch.some(({ isStrike }) => isStrike)) client.allowEnd();
      deadline.refresh();
      client.send(batch);
      if (batch.at(-1)?.isLast === true) break;
      await client.settled();
    }
  } finally {
    clearTimeout(deadline);
    client.close();
  }
}

/** Sends them in one go, the last of them asking for the end of the connection, and reads whatever is answered. */
async function overHttp(
  port: number,
  requests: readonly RawRequest[],
  byStatus: Map<number, number>,
  onFailure: (failure: string) => void,
): Promise<void> {
  const ended = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const what = requests.map((one) => one.what).join(', ');
  const bytes = Buffer.concat([...requests.map((one) => one.bytes), Buffer.from(ended)]);
  const answer = await exchange(port, bytes, requests.at(-1)?.isLast === true);
  if (answer === null) onFailure(`the connection stayed open after ${what}`);
  else judgeAnswers(answer, what, byStatus, onFailure);
}

/** Long polling: opens, posts packets in odd bodies, and leaves. */
async function overPolling(
  port: number,
  random: Random,
  packets: Packets,
  byStatus: Map<number, number>,
  onFailure: (failure: string) => void,
): Promise<number> {
  const path = '/socket.io/?EIO=4&transport=polling';
  const close = 'Connection: close\r\n\r\n';
  const opened = await exchange(port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${close}`));
  const sid = /"sid":"([^"]+)"/.exec(opened ?? '')?.[1];
  if (opened?.startsWith('HTTP/1.1 503 ') === true) {
    await delay(LOAD_PAUSE_MS);
    return 1;
  }
  if (sid === undefined) {
    onFailure(`polling was not opened: ${String(opened?.slice(0, 300))}`);
    return 1;
  }
  const texts = ['40', ...Array.from({ length: random.below(20) }, () => textOf(packets.next()))];
  const separator = random.pick(['\u001e', '\u001e', '\u001e', '\n', '\u001e\u001e', '']);
  const body = Buffer.from(texts.join(separator));
  const type = random.pick(['text/plain;charset=UTF-8', 'application/octet-stream', 'application/json', '']);
  const post = `POST ${path}&sid=${sid} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n${close}`;
  const answer = await exchange(port, Buffer.concat([Buffer.from(post), body]));
  if (answer === null) onFailure('a post of long polling was not answered');
  else judgeAnswers(answer, `long polling: ${texts.slice(1).join(' ').slice(0, 300)}`, byStatus, onFailure);
  return texts.length + 1;
}

/** The payload of a frame of ours, as text. */
function textOf({ bytes }: Input): string {
  const text = bytes.toString('latin1');
  const start = text.indexOf('4');
  return start === -1 ? 'b' : text.slice(start, start + 3_000).replaceAll('\u001e', '');
}

/** Null when the connection is open after the deadline. `mayWait`: the server may be told to expect more than there is. */
async function exchange(port: number, bytes: Buffer, mayWait = false): Promise<string | null> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  // Half closed: whoever waits for the rest of a request learns that there is none, and forgets what it was doing.
  const half = mayWait ? setTimeout(() => socket.end(), HALF_CLOSE_MS) : undefined;
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      socket.removeAllListeners('close');
      socket.destroy();
      resolve(null);
    }, DEADLINE_MS);
    socket.once('close', () => {
      clearTimeout(deadline);
      clearTimeout(half);
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
  });
}

function judgeAnswers(
  answer: string,
  what: string,
  byStatus: Map<number, number>,
  onFailure: (failure: string) => void,
): void {
  for (const [, digits] of answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
    const status = Number(digits);
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
    if (status >= 500 && status !== 503) onFailure(`${what} was answered ${answer.slice(0, 600)}`);
  }
  const isBare = /<pre>|<title>Error|\bat [^\n]*\.[jt]s:\d|node_modules/.test(answer);
  if (isBare) onFailure(`${what} was answered with a page or a stack: ${answer.slice(0, 600)}`);
}

function faultsIn({ log }: SpawnedServer): string[] {
  const faults = new Set(['internal_error', 'db_error', 'redis_lost', 'archive_failed']);
  return log.all
    .filter(({ level, event }) => String(level).toLowerCase() === 'error' || faults.has(String(event)))
    .map((line) => `the server logged ${JSON.stringify(line).slice(0, 2_000)}`);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''); // Not Linux, or it has just ended.
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

function median(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? Number.NaN;
}
