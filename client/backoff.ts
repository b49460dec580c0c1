const FIRST_MS = 500;
/** Below the worst pause that a client may see while instances restart one after another (5 s). */
const LONGEST_MS = 4_000;

/**
 * How long to wait before attempt number `attempt` (1 is the first repetition), in milliseconds: full jitter over a
 * doubling ceiling, so that the clients of a server that returns do not all knock in the same instant
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A wait that the server asked for is never
 * undercut, and is spread too.
 */
export function backoffMs(attempt: number, askedMs = 0, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 10));
  const jitter = random() * (askedMs > 0 ? FIRST_MS : ceiling);
  return Math.round(askedMs + jitter);
}
