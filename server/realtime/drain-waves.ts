/** Time between two waves of connections that a drain closes. */
export const DRAIN_WAVE_MS = 50;
/**
 * The least that a wave holds: 200 a second. A resume took 1.7 ms of the processor of the instance that takes it, on a
 * crowded machine, so these many are no storm for it, and a server with a hundred connections is done in half a second.
 */
const LEAST = 10;

/** In so many waves that they take `spreadMs` at most when each follows the one before by `DRAIN_WAVE_MS`. */
export function drainWaves<T>(connections: readonly T[], spreadMs: number): T[][] {
  const mostWaves = Math.max(1, Math.floor(spreadMs / DRAIN_WAVE_MS));
  const size = Math.max(LEAST, Math.ceil(connections.length / mostWaves));
  const waves: T[][] = [];
  for (let start = 0; start < connections.length; start += size) waves.push(connections.slice(start, start + size));
  return waves;
}
