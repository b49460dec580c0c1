import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from '../support/eventually.ts';
import { Random } from '../support/random.ts';
import { commandShapes } from './command-shapes.ts';
import { createEdge, type Edge } from './edge.ts';
import { FuzzClient } from './fuzz-client.ts';
import { HostileJson, nestedLists } from './hostile-json.ts';
import { Packets, type Input } from './packets.ts';

const INPUTS_PER_CONNECTION = 300;
/** Fewer than make the server stop reading. */
const BATCH = 24;
/** Event-loop turns in which everything that needs no timer is long over. */
const PATIENCE = 2_000;
/** From here on memory is what it is for good: code is compiled, caches are full. */
const PLATEAU = 0.2;
/** How often memory is looked at from then on: at one moment V8 may have twenty megabytes more than at another. */
const LOOKS = 40;
const MAX_FAILURES = 20;

export interface DecoderReport {
  readonly inputs: number;
  readonly connections: number;
  readonly accepted: number;
  readonly failures: readonly string[];
  /** After a collection, from a fifth of the run on: the most in the first half of the time and in the second; 0 when not measured. */
  readonly heapBytes: readonly [number, number];
  readonly rssBytes: readonly [number, number];
  readonly isPolluted: boolean;
  readonly left: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly count: number;
  /** Whether memory is looked at: each look is a whole collection, which takes a second where much else is loaded. */
  readonly isMeasured?: boolean;
  readonly onProgress?: (inputs: number) => void;
}

/** Sends so many inputs through the edge, and holds each answer against what is expected of it. */
export async function runDecoder({ seed, count, isMeasured = false, onProgress }: RunOptions): Promise<DecoderReport> {
  const random = new Random(seed);
  const failures: string[] = [];
  let inputs = 0;
  let connections = 0;
  let accepted = 0;
  const onFailure = (failure: string) => {
    if (failures.length < MAX_FAILURES) failures.push(`seed ${seed}, about input ${inputs}: ${failure}`);
  };
  const edge = createEdge(onFailure);
  const { shapes, seatChanging } = commandShapes();
  const packets = new Packets(random, shapes, seatChanging);
  const looks: Memory[] = [];
  try {
    while (inputs < count && failures.length < MAX_FAILURES) {
      connections += 1;
      const client = await opened(edge, random, packets.valid('session:create'), onFailure);
      inputs += 1;
      const limit = Math.min(inputs + INPUTS_PER_CONNECTION, count);
      // Now and then no time passes, so that what is counted ends the connection.
      const isFlood = random.below(10) === 0;
      if (isFlood) client?.allowEnd();
      while (client?.isOpen === true && inputs < limit) {
        const batch = batchOf(packets, limit - inputs);
        inputs += batch.length;
        accepted += batch.filter(({ expected }) => expected === 'ok').length;
        if (!isFlood) edge.pass(batch.length * 1000);
        client.send(batch);
        await answeredOrFailed(client, onFailure);
        if (batch.at(-1)?.isLast === true) break;
      }
      client?.close();
      if (isMeasured && inputs >= count * (PLATEAU + ((1 - PLATEAU) * looks.length) / LOOKS)) {
        await turn();
        looks.push(memory());
      }
      if (connections % 10_000 === 0) onProgress?.(inputs);
    }
    await nobodyLeft(edge);
    if (isMeasured) looks.push(memory());
    const half = Math.ceil(looks.length / 2);
    const [early, late] = [looks.slice(0, half), looks.slice(half)].map(most);
    const isPolluted = ({} as { polluted?: unknown }).polluted !== undefined;
    const left = edge.connectionCount;
    return {
      ...{ inputs, connections, accepted, failures, isPolluted, left },
      heapBytes: [early?.heap ?? 0, late?.heap ?? 0],
      rssBytes: [early?.rss ?? 0, late?.rss ?? 0],
    };
  } finally {
    await edge.stop();
  }
}

/** A connection with a seat; null when what it said on the way was not meant to be taken. */
async function opened(
  edge: Edge,
  random: Random,
  first: Input,
  onFailure: (failure: string) => void,
): Promise<FuzzClient | null> {
  const client = new FuzzClient(edge.open(), { takesAll: true, upgrade: '', onFailure });
  const isHostile = random.below(4) === 0;
  const connecting = client.connect(isHostile ? hostileAuth(random) : '{"token":"x"}', isHostile);
  const isOpen = await patiently(connecting);
  if (isOpen === 'late') onFailure('CONNECT was not answered');
  if (isOpen !== true || isHostile) {
    client.close();
    return null;
  }
  client.send([first]);
  await answeredOrFailed(client, onFailure);
  return client;
}

function hostileAuth(random: Random): string {
  const hostile = new HostileJson(random);
  return random.pick([
    () => hostile.value(4),
    () => `{"token":${hostile.value(2)}}`,
    () => `{"resume":${hostile.value(3)}}`,
    () =>
      `{"resume":{"sessionId":${hostile.value(1)},"participantId":${hostile.value(1)},"resumeToken":"x","epoch":1,"lastSeq":0}}`,
    () => `{"resume":${nestedLists(random.pick([33, 4_200, 30_000]))}}`,
    () => '{"__proto__":{"polluted":true}}',
    () => '',
    () => `{"token":"x","extra":${hostile.value(1)}}`,
  ])();
}

/** Up to the next that others would wait for, or that nothing can follow. */
function batchOf(packets: Packets, most: number): Input[] {
  const batch: Input[] = [];
  while (batch.length < Math.min(BATCH, most)) {
    const input = packets.next();
    batch.push(input);
    if (input.changesSeat || input.isLast) break;
  }
  return batch;
}

async function answeredOrFailed(client: FuzzClient, onFailure: (failure: string) => void): Promise<void> {
  if ((await patiently(client.settled())) !== 'late') return;
  onFailure(`never answered: ${client.unanswered().join(', ')}`);
  client.close();
}

async function patiently<T>(promise: Promise<T>): Promise<T | 'late'> {
  const wait = { isOver: false };
  const patience = (async () => {
    for (let n = 0; n < PATIENCE && !wait.isOver; n += 1) await turn();
    return 'late' as const;
  })();
  const result = await Promise.race([promise, patience]);
  wait.isOver = true;
  return result;
}

/** A connection that is told why it ends has 2 s to read it. */
async function nobodyLeft(edge: Edge): Promise<void> {
  await eventually(() => {
    if (edge.connectionCount > 0) return Promise.reject(new Error('connections are left'));
    return Promise.resolve();
  }).catch(() => undefined); // The report tells how many there are.
}

interface Memory {
  readonly heap: number;
  readonly rss: number;
}

function most(looks: readonly Memory[]): Memory {
  return { heap: Math.max(...looks.map(({ heap }) => heap)), rss: Math.max(...looks.map(({ rss }) => rss)) };
}

function memory(): Memory {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // What the flag just made.
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}
