import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './pair.ts';

/**
 * One message in flight per pair, for a time: the next is sent when the last is answered, or has arrived. It finds the rate that the
 * server sustains; its latencies flatter a server that stalls, because a stalled pair also stops asking.
 */
export async function runClosedLoop(
  pairs: readonly Pair[],
  forMs: number,
  awaits: 'ack' | 'delivery' = 'ack',
): Promise<void> {
  let isOver = false;
  const sendNext = (pair: Pair): void => {
    if (isOver) return;
    // A relay acknowledges before anything has arrived, and would be sent more than it delivers.
    if (awaits === 'delivery') void pair.barrier().then(() => sendNext(pair));
    else pair.send(performance.now(), () => sendNext(pair));
  };
  for (const pair of pairs) sendNext(pair);
  await delay(forMs);
  isOver = true;
}
