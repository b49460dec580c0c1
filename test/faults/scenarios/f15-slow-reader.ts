import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import type { Pair, Placed } from '../clients.ts';
import { sumMetric } from '../metric.ts';
import type { Recorder } from '../recorder.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { compared, demandDelivery, during, shown } from './delivery.ts';

const BODY = 'x'.repeat(15_000);
const PER_SECOND = 100;
const TENTH = 0.1;
const CALM_MS = 5_000;
/** The buffers of the kernel fill first: with so much per second that takes less than this. */
const CLOSED_WITHIN_MS = 90_000;
/** A client that hears nothing more finds that out by itself in 20 s, and its resume comes through the same narrow way. */
const BACK_WITHIN_MS = 45_000;
const MAX_GROWTH_BYTES = 120 * 2 ** 20;

export const f15: Scenario = {
  name: 'F15',
  what: 'a client reads at a tenth of the rate at which it is written to',
  hotStates: ['redis', 'sentinel', 'cluster'],
  arena: (hotState) => ({ ...threeInstances(hotState), perSecond: 40 }),
  async run(arena, random) {
    const { instances } = arena.deployment;
    await arena.acknowledgements(100);
    const pair = random.pick(arena.clients.pairs);
    const [reader, talker] = random.next() < 0.5 ? [pair.host, pair.guest] : [pair.guest, pair.host];
    const others = arena.clients.recorders.filter((one) => one !== reader.recorder && one !== talker.recorder);
    const stopTalking = talkMuch(talker.recorder);
    try {
      const before = reader.network.passed.down;
      const calm = await during(arena, () => delay(CALM_MS), others);
      const bytesPerSecond = ((reader.network.passed.down - before) * 1_000) / CALM_MS;
      const memory = instances.map((instance) => instance.evidence().at(-1)?.rssBytes.length ?? 0);
      const closedBefore = await closedAsSlow(arena);

      const slowAt = performance.now();
      reader.recorder.noteNetwork(true);
      reader.network.set({ kind: 'throttle', bytesPerSecond: bytesPerSecond * TENTH }, 'down');
      const slow = await during(
        arena,
        () =>
          eventually(async () => {
            if ((await closedAsSlow(arena)) === closedBefore) throw new Error('the slow reader is not closed');
          }, CLOSED_WITHIN_MS),
        others,
      );
      const closedMs = Math.round(performance.now() - slowAt);
      stopTalking();
      const backMs = await backOverTheSameWay(arena, reader, slowAt);
      reader.network.heal();
      reader.recorder.noteNetwork(false);
      await arena.served();
      await demandComplete(pair, reader);
      demandMemory(arena, memory);
      demandDelivery(arena, 'a slow reader', slow, [calm]);
      arena.figures.push(
        `a ${reader.recorder.record.kind} client, written to with ${Math.round(bytesPerSecond / 1_000)} kB/s, reading a tenth of it: closed after ${closedMs} ms, back after ${backMs} ms more`,
        `delivery p99 of the others with that much talk ${shown(calm)}, and with a slow reader ${compared(slow, calm)}`,
      );
    } finally {
      stopTalking();
    }
  },
};

/** Large messages at a steady pace; gives what ends it. */
function talkMuch(recorder: Recorder): () => void {
  let count = 0;
  const timer = setInterval(() => {
    if (recorder.unsettled.length >= 20) return;
    count += 1;
    recorder.say({ by: recorder.record.client, large: count, text: BODY });
  }, 1_000 / PER_SECOND);
  return () => clearInterval(timer);
}

async function closedAsSlow({ deployment }: Arena): Promise<number> {
  const closed = await sumMetric(deployment.instances, 'tandem_connections_closed_total');
  return closed.get('reason="slow_consumer"') ?? 0;
}

/** Milliseconds from when the server closed it until it was served again, still reading at a tenth. */
async function backOverTheSameWay(arena: Arena, { recorder }: Placed, since: number): Promise<number> {
  const closedAt = performance.now();
  const sign = recorder.record.kind === 'stock' ? 'resumed' : 'connected';
  await eventually(() => {
    const isBack = recorder.record.entries.some(({ kind, at }) => kind === sign && at > since);
    return isBack ? Promise.resolve() : Promise.reject(new Error(`${recorder.record.client} is not back`));
  }, 2 * BACK_WITHIN_MS);
  const tookMs = Math.round(performance.now() - closedAt);
  arena.demand(tookMs <= BACK_WITHIN_MS, () => `the slow reader was back ${tookMs} ms after it was closed`);
  return tookMs;
}

async function demandComplete({ teller }: Pair, { recorder }: Placed): Promise<void> {
  const { lastSeq } = await eventually(() => teller.head());
  await recorder.settled(lastSeq, 60_000);
}

/** No server grew by what it could not bring; `from` are the samples that there were before. */
function demandMemory(arena: Arena, from: readonly number[]): void {
  const grown = arena.deployment.instances.map((instance, index) => {
    const samples = instance.evidence().at(-1)?.rssBytes ?? [];
    const start = Math.max(0, (from[index] ?? 0) - 1);
    return Math.max(...samples.slice(start)) - (samples[start] ?? 0);
  });
  const text = grown.map((bytes) => `${Math.round(bytes / 2 ** 20)} MiB`).join(', ');
  arena.demand(Math.max(...grown) <= MAX_GROWTH_BYTES, () => `the instances grew by ${text}`);
  arena.figures.push(`the instances grew by ${text} meanwhile`);
}
