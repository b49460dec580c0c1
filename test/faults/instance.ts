import { readFile } from 'node:fs/promises';
import type { Environment } from '../support/environment.ts';
import { spawnServer } from '../support/spawned-server.ts';
import type { ServerProcess, SpawnedServer } from '../support/spawned-server.ts';
import type { ProcessEvidence } from './evidence.ts';

/** The server tells the longest stall of the last 15 s or more, so that no sample misses one. */
const SAMPLE_MS = 3_000;

/** One server of a run: the processes that it was, one after the other. */
export class Instance {
  readonly name: string;
  /** What a balancer's health check would have found: false from the moment that it is told to end. */
  isAccepting = false;
  /** What its next start runs; undefined is what this checkout was built to. */
  main: string | undefined;
  readonly #dataDir: string;
  readonly #env: Environment;
  readonly #exits: { at: number; code: number | null; isPlanned: boolean }[] = [];
  readonly #lives: { rssBytes: number[]; loopLagMs: number[] }[] = [];
  #server: SpawnedServer | null = null;
  #isEndPlanned = false;
  #sampler: NodeJS.Timeout | undefined;

  constructor(name: string, dataDir: string, env: Environment, main?: string) {
    this.name = name;
    this.main = main;
    this.#dataDir = dataDir;
    this.#env = env;
  }

  get server(): SpawnedServer {
    if (this.#server === null) throw new Error(`${this.name} does not run`);
    return this.#server;
  }

  get isRunning(): boolean {
    return this.#server?.isRunning() ?? false;
  }

  async start(): Promise<void> {
    const server = await spawnServer(this.#dataDir, this.#env, this.main);
    this.#server = server;
    this.#isEndPlanned = false;
    this.isAccepting = true;
    void server.exited.then((code) => {
      this.isAccepting = false;
      this.#exits.push({ at: performance.now(), code, isPlanned: this.#isEndPlanned });
      clearInterval(this.#sampler);
    });
    this.#sample(server);
  }

  async kill9(): Promise<void> {
    this.#isEndPlanned = true;
    await this.server.kill9();
  }

  /** Its exit code. */
  async sigterm(): Promise<number | null> {
    this.#isEndPlanned = true;
    this.isAccepting = false;
    return this.server.sigterm();
  }

  /** The answer of a path, as JSON, with its status; null when there is none within a second. */
  async get(path: string): Promise<{ status: number; body: unknown } | null> {
    try {
      const response = await fetch(`${this.server.url}${path}`, { signal: AbortSignal.timeout(1_000) });
      return { status: response.status, body: await response.json() };
    } catch {
      return null; // It does not answer: that is what was asked.
    }
  }

  /** One piece of evidence for each process: memory begins anew with each. */
  evidence(): ProcessEvidence[] {
    return this.#lives.map((life, index) => {
      const exit = this.#exits[index];
      return { name: `${this.name}, start ${index + 1}`, exits: exit === undefined ? [] : [exit], ...life };
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampler);
    if (!this.isRunning) return;
    // One that was frozen takes no other signal.
    this.server.signal('SIGCONT');
    await this.kill9();
  }

  #sample(server: ServerProcess & { readonly url: string }): void {
    const life: { rssBytes: number[]; loopLagMs: number[] } = { rssBytes: [], loopLagMs: [] };
    this.#lives.push(life);
    clearInterval(this.#sampler);
    this.#sampler = setInterval(() => {
      void residentBytes(server.pid).then((bytes) => {
        if (bytes !== null) life.rssBytes.push(bytes);
      });
      void loopLagMs(server.url).then((lagMs) => {
        if (lagMs !== null) life.loopLagMs.push(lagMs);
      });
    }, SAMPLE_MS);
  }
}

/** Null when it has ended. */
export async function residentBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''); // Not Linux, or it has just ended.
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

async function loopLagMs(url: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(SAMPLE_MS) });
    const seconds = /^tandem_event_loop_lag_seconds (\S+)$/m.exec(await response.text())?.[1];
    return seconds === undefined ? null : Number(seconds) * 1000;
  } catch {
    return null; // It has ended, or is about to start.
  }
}
