import type { Arena } from '../arena.ts';
import type { Recorder } from '../recorder.ts';

/** So much worse than without a fault may delivery be, and a p99 below this is a matter of the machine alone. */
const WORST_FACTOR = 5;
const NOISE_MS = 50;

/** Milliseconds that 99 of 100 messages took at most, from the call that sent them to everybody else who takes part. */
export interface Delivery {
  readonly p99Ms: number;
  readonly count: number;
}

/** Of the messages that these clients sent between these times of `performance.now()`. */
export function deliveryOf(recorders: readonly Recorder[], from: number, to: number): Delivery {
  const sentAt = new Map<string, number>();
  for (const { record } of recorders) {
    for (const entry of record.entries) {
      if (entry.kind !== 'invoke' || entry.attempt !== 1 || entry.at < from || entry.at >= to) continue;
      sentAt.set(entry.id, entry.at);
    }
  }
  const tookMs: number[] = [];
  for (const { record } of recorders) {
    const seen = new Set<string>();
    for (const entry of record.entries) {
      if (entry.kind !== 'seen' || record.bodies.has(entry.message.id) || seen.has(entry.message.id)) continue;
      seen.add(entry.message.id);
      const at = sentAt.get(entry.message.id);
      if (at !== undefined) tookMs.push(entry.at - at);
    }
  }
  tookMs.sort((a, b) => a - b);
  return { p99Ms: tookMs[Math.ceil(tookMs.length * 0.99) - 1] ?? NaN, count: tookMs.length };
}

/** What everybody's delivery is while something happens; these clients' alone where they are named. */
export async function during(
  { clients }: Arena,
  run: () => Promise<unknown>,
  recorders: readonly Recorder[] = clients.recorders,
): Promise<Delivery> {
  const from = performance.now();
  await run();
  return deliveryOf(recorders, from, performance.now() - 500);
}

/** What is calm: the machine has its own moods, and what it does without a fault, before or after, is what counts. */
export function demandDelivery(arena: Arena, what: string, delivery: Delivery, calm: readonly Delivery[]): void {
  const [first = delivery] = calm;
  const bound = WORST_FACTOR * Math.max(...calm.map(({ p99Ms }) => p99Ms), NOISE_MS);
  arena.demand(delivery.p99Ms <= bound, () => `delivery with ${what}: p99 ${compared(delivery, first)}`);
}

export function shown({ p99Ms, count }: Delivery): string {
  return `${Math.round(p99Ms)} ms of ${count}`;
}

export function compared(delivery: Delivery, calm: Delivery): string {
  return `${shown(delivery)} (x${(delivery.p99Ms / calm.p99Ms).toFixed(1)})`;
}
