import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './pair.ts';

/**
 * One message in flight per pair, for a time: the next is sent when the last is answered. It finds the rate that the
 * server sustains; its latencies flatter a server that stalls, because a stalled pair also stops asking.
 */
export async function runClosedLoop(pairs: readonly Pair[], forMs: number): Promise<void> {
  let isOver = false;
  const sendNext = (pair: Pair): void => {
    if (!isOver) pair.send(performance.now(), () => sendNext(pair));
  };
  for (const pair of pairs) sendNext(pair);
  await delay(forMs);
  isOver = true;
}
