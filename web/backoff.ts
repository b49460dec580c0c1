const FIRST_MS = 500;
const LONGEST_MS = 8_000;

/**
 * How long to wait before attempt number `attempt` (1 is the first repetition): doubling, capped, between half and the
 * whole of it at random, so that the clients of a server that returns do not all knock in the same instant. A wait that
 * the server asked for is never undercut.
 */
export function backoffMs(attempt: number, askedMs = 0, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 10));
  return Math.max(askedMs, Math.round(ceiling * (0.5 + random() / 2)));
}
