import { TandemError } from '../../protocol/errors.ts';
import type { DurableStore } from '../sessions/ports.ts';
import type { TimelineQueue } from '../sessions/timeline-queue.ts';
import { createLoop, type Job } from './loop.ts';

const INTERVAL_MS = 1000;
/** In one call: it ends well within the deadline of a statement, and an embedded database does nothing else meanwhile. */
const AT_ONCE = 250;
/** While the store is away, there is a loss with each event that comes. */
const LOSS_TOLD_EVERY_MS = 60_000;

export interface TimelineWriterOptions {
  timeline: TimelineQueue;
  durable: Pick<DurableStore, 'recordEvents'>;
  /** So many events are lost since the last call: too many waited, or the store refused them. */
  onLost: (count: number) => void;
  onError: (error: unknown) => void;
  intervalMs?: number;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

/** Stores what happened to participants, once a second, in one call as a rule. What cannot be stored now waits. */
export function createTimelineWriter(options: TimelineWriterOptions): Job {
  const { timeline, durable, onLost, onError, intervalMs = INTERVAL_MS, clock = () => performance.now() } = options;
  let toldAt = Number.NEGATIVE_INFINITY;

  const tellLoss = () => {
    if (timeline.lost === 0) return;
    toldAt = clock();
    onLost(timeline.takeLost());
  };

  /** Ends with what waits now: under a flood of refusals there would always be more. */
  const flush = async () => {
    for (let left = timeline.size; left > 0; left -= AT_ONCE) {
      const events = timeline.take(AT_ONCE);
      if (events.length === 0) return;
      try {
        await durable.recordEvents(events);
        timeline.settle(events);
      } catch (error) {
        if (isAway(error)) throw error;
        // It would refuse them again, and all that wait behind them would never come.
        timeline.giveUp(events);
        onError(error);
      }
    }
  };

  const round = async () => {
    try {
      await flush();
    } finally {
      if (clock() - toldAt >= LOSS_TOLD_EVERY_MS) tellLoss();
    }
  };

  const loop = createLoop(intervalMs, round, onError);
  return {
    start: () => loop.start(),
    stop: async () => {
      await loop.stop();
      await flush().catch(onError);
      // Whatever waits now ends with this process.
      timeline.giveUp(timeline.take(timeline.size));
      tellLoss();
    },
  };
}

function isAway(error: unknown): boolean {
  return error instanceof TandemError && error.code === 'UNAVAILABLE';
}
