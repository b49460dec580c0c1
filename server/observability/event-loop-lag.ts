import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const WINDOW_MS = 15_000;

export interface EventLoopLag {
  start: () => void;
  stop: () => void;
  /** Longest time, in seconds, by which the event loop was late in the last 15 to 30 s; 0 before the start. */
  seconds: () => number;
}

/**
 * The longest delay rather than a mean: one stall of 3 s among a thousand quick turns is what clients feel. Two windows
 * are kept, so that a scrape every 15 s sees each stall, however many scrapers there are.
 */
export function createEventLoopLag(): EventLoopLag {
  let histogram: IntervalHistogram | null = null;
  let timer: NodeJS.Timeout | null = null;
  let previousMs = 0;
  // The histogram holds the time between two ticks of a timer, so an idle loop shows the timer's own interval.
  const currentMs = () => Math.max(0, (histogram?.max ?? 0) / 1e6 - RESOLUTION_MS);
  return {
    start: () => {
      if (timer !== null) return;
      const started = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      started.enable();
      histogram = started;
      timer = setInterval(() => {
        previousMs = currentMs();
        started.reset();
      }, WINDOW_MS);
      timer.unref();
    },
    stop: () => {
      if (timer === null) return;
      clearInterval(timer);
      timer = null;
      histogram?.disable();
    },
    seconds: () => Math.max(previousMs, currentMs()) / 1000,
  };
}
