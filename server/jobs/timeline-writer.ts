import { TandemError } from '../../protocol/errors.ts';
import type { DurableStore, RecordedEvent } from '../sessions/ports.ts';
import type { TimelineQueue } from '../sessions/timeline-queue.ts';
import { createLoop, type Job } from './loop.ts';

const INTERVAL_MS = 1000;
/** In one call: it ends well within the deadline of a statement, and an embedded database does nothing else meanwhile. */
const AT_ONCE = 250;
/** So often a batch is tried before it is halved, and a single event before it is asked whether it alone fails. */
const TRIES = 3;
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

/**
 * Stores what happened to participants, once a second, in one call as a rule. What cannot be stored now waits.
 *
 * A call whose outcome is unknown is repeated: the store may be away, or it may never get done with one of the events,
 * which then everything waits for. That one is found by halves, and given up if the store takes the one behind it.
 */
export function createTimelineWriter(options: TimelineWriterOptions): Job {
  const { timeline, durable, onLost, onError, intervalMs = INTERVAL_MS, clock = () => performance.now() } = options;
  let toldAt = Number.NEGATIVE_INFINITY;
  let atOnce = AT_ONCE;
  /** Calls of this size in a row whose outcome is unknown. */
  let tries = 0;

  const tellLoss = () => {
    if (timeline.lost === 0) return;
    toldAt = clock();
    onLost(timeline.takeLost());
  };

  const store = async (events: readonly RecordedEvent[]) => {
    try {
      await durable.recordEvents(events);
      timeline.settle(events);
    } catch (error) {
      if (isAway(error)) throw error;
      // It would refuse them again, and all that wait behind them would never come.
      timeline.giveUp(events);
      onError(error);
    }
  };

  /** Whether the store is there for the event behind the first. */
  const takesNext = async () => {
    const [, next] = timeline.take(2);
    if (next === undefined) return false;
    return store([next]).then(
      () => true,
      () => false,
    );
  };

  const failed = async (events: readonly RecordedEvent[]) => {
    tries += 1;
    if (tries < TRIES) return;
    if (events.length === 1) {
      if (!(await takesNext())) return;
      timeline.giveUp(events);
      tries = 0;
      return;
    }
    tries = 0;
    atOnce = Math.ceil(events.length / 2);
  };

  /** Ends with what waits now: under a flood of refusals there would always be more. */
  const flush = async () => {
    let left = timeline.size;
    while (left > 0) {
      const events = timeline.take(atOnce);
      if (events.length === 0) return;
      left -= events.length;
      try {
        await store(events);
      } catch (error) {
        await failed(events);
        throw error;
      }
      tries = 0;
      atOnce = Math.min(AT_ONCE, atOnce * 2);
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
