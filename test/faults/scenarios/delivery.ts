import type { Arena } from '../arena.ts';

/** Milliseconds that 99 of 100 messages took at most, from the call that sent them to everybody else who takes part. */
export interface Delivery {
  readonly p99Ms: number;
  readonly count: number;
}

/** Of the messages that were sent between these times of `performance.now()`. */
export function deliveryOf({ clients }: Arena, from: number, to: number): Delivery {
  const sentAt = new Map<string, number>();
  for (const { record } of clients.recorders) {
    for (const entry of record.entries) {
      if (entry.kind !== 'invoke' || entry.attempt !== 1 || entry.at < from || entry.at >= to) continue;
      sentAt.set(entry.id, entry.at);
    }
  }
  const tookMs: number[] = [];
  for (const { record } of clients.recorders) {
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
