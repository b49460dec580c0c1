import { cpuSecondsOf } from '../engine/process-usage.ts';
import type { BenchDatabase } from '../history/database.ts';

/** Seconds of the processor; null where there is no /proc. */
export interface CpuSeconds {
  readonly archiver: number | null;
  readonly redis: number | null;
  readonly postgres: number | null;
}

export interface Spent {
  readonly seconds: number;
  readonly cpu: CpuSeconds;
}

/** What the processes on the way of a message spend. */
export class Meter {
  readonly #archiverPid: number;
  readonly #redisPid: number;
  readonly #database: BenchDatabase;

  constructor(archiverPid: number, redisPid: number, database: BenchDatabase) {
    this.#archiverPid = archiverPid;
    this.#redisPid = redisPid;
    this.#database = database;
  }

  /** Starts now; the function that it gives tells of the time since. */
  async start(): Promise<() => Promise<Spent>> {
    const before = await this.#read();
    const startedAt = performance.now();
    return async () => {
      const seconds = (performance.now() - startedAt) / 1000;
      const after = await this.#read();
      const since = (name: keyof CpuSeconds) => difference(before[name], after[name]);
      return { seconds, cpu: { archiver: since('archiver'), redis: since('redis'), postgres: since('postgres') } };
    };
  }

  async #read(): Promise<CpuSeconds> {
    // Backends that end in between would be missing: pools keep theirs for a minute.
    const { rows } = await this.#database.client.query<{ pid: number }>('select pid from pg_stat_activity');
    const backends = rows.map(({ pid }) => cpuSecondsOf(pid)).filter((seconds) => seconds !== null);
    return {
      archiver: cpuSecondsOf(this.#archiverPid),
      redis: cpuSecondsOf(this.#redisPid),
      postgres: backends.length === 0 ? null : backends.reduce((sum, seconds) => sum + seconds, 0),
    };
  }
}

function difference(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : to - from;
}
