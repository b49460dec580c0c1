import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './pair.ts';

/**
 * A constant rate, whatever the server does: message k is due at start + k / rate, at the pairs in turn, and its
 * latency counts from then. What falls due while this process or the server stalls is sent late, never left out
 * (https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
 *
 * Timers of Node.js have a grain of 1 ms, so a message goes out up to about 1 ms late. Spinning would be exact, and
 * would take a core from the server.
 */
export async function runOpenLoop(pairs: readonly Pair[], ratePerSecond: number, forMs: number): Promise<void> {
  const startedAt = performance.now();
  const total = Math.floor((ratePerSecond * forMs) / 1000);
  for (let number = 0; number < total; number += 1) {
    const dueAt = startedAt + (number * 1000) / ratePerSecond;
    for (let now = performance.now(); now < dueAt; now = performance.now()) await delay(Math.max(1, dueAt - now));
    pairs[number % pairs.length]?.send(dueAt);
  }
}
