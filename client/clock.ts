/** The time as the library uses it; tests hand in one that they move. */
export interface Clock {
  /** Milliseconds since 1970. Jumps when the device's clock is set, so it is only for what is shown and what is stored. */
  now(): number;
  /** Milliseconds since some moment, never backwards: for every duration. */
  monotonic(): number;
  /** Calls back once after `delayMs`, unless the returned function was called before. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that timers take (a larger one fires at once). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
