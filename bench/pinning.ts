import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Where processes run, so that a load and what it loads do not take the processor from each other. */
export interface Pinning {
  /** The one processor of all servers; null where nothing is pinned. */
  readonly servers: string | null;
  /** A line for whoever reads the figures. */
  readonly text: string;
  /** Gives this process all processors again. */
  end(): void;
}

/**
 * Servers get the first processor, all of them together. This process, and with it what it starts from then on without
 * a word about processors (generator, Redis, Postgres), gets the others.
 */
export function pinApart(): Pinning {
  const processors = availableParallelism();
  const nothing = { servers: null, end: () => undefined };
  if (processors < 2)
    return { ...nothing, text: 'one processor for all: servers and generator take it from each other' };
  const all = `0-${processors - 1}`;
  if (!pinThisProcess(`1-${processors - 1}`)) {
    return { ...nothing, text: 'not pinned (needs taskset): servers and generator share all processors' };
  }
  return {
    servers: '0',
    text: `all servers on processor 0, generator, Redis and Postgres on ${processors === 2 ? 'processor 1' : `processors 1 to ${processors - 1}`}`,
    end: () => void pinThisProcess(all),
  };
}

/** With all of its threads: processes inherit from the thread that starts them. */
function pinThisProcess(list: string): boolean {
  return spawnSync('taskset', ['-a', '-c', '-p', list, String(process.pid)]).status === 0;
}
