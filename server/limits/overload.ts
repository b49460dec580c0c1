/** How often the event loop is looked at, and over how long. */
const TICK_MS = 100;
const WINDOW_MS = 2000;
/** An event loop that is so late, on average over the window and without the worst tick, does more than it can. */
const LATE_MS = 400;
/** One stall is no overload, unless it is so long that everybody has been waiting and speaks at once now. */
const STALL_MS = 2500;
/** It is over when the loop was hardly late for so long. Far below what began it, so that it does not flap. */
const QUIET_MS = 1000;
const IN_TIME_MS = 50;

interface Tick {
  readonly endedAt: number;
  readonly elapsedMs: number;
  readonly lagMs: number;
}

/** Decides from the lag of the event loop whether a process takes new connections. */
export class Overload {
  #ticks: Tick[] = [];
  #lastAt: number;
  #isOver = true;
  #begunAt = Number.NEGATIVE_INFINITY;

  constructor(now: number) {
    this.#lastAt = now;
  }

  get isNow(): boolean {
    return !this.#isOver;
  }

  /** Called every 100 ms, or as late as the event loop makes it. */
  tick(now: number): void {
    const elapsedMs = now - this.#lastAt;
    this.#lastAt = now;
    this.#ticks.push({ endedAt: now, elapsedMs, lagMs: Math.max(0, elapsedMs - TICK_MS) });
    this.#ticks = this.#ticks.filter(({ endedAt }) => now - endedAt < WINDOW_MS);
    const worst = this.#ticks.reduce((one, other) => (other.lagMs > one.lagMs ? other : one));
    if (worst.lagMs >= STALL_MS && worst.endedAt === now) this.#begin(now);
    else if (meanLagMs(this.#ticks.filter((each) => each !== worst)) >= LATE_MS) this.#begin(now);
    else if (now - this.#begunAt >= QUIET_MS) {
      const recent = this.#ticks.filter(({ endedAt }) => now - endedAt < QUIET_MS);
      if (meanLagMs(recent) < IN_TIME_MS) this.#isOver = true;
    }
  }

  #begin(now: number): void {
    this.#isOver = false;
    this.#begunAt = now;
  }
}

/** Weighed by time: what an arrival at any moment meets, not what a tick does. */
function meanLagMs(ticks: readonly Tick[]): number {
  let weighed = 0;
  let elapsed = 0;
  for (const { lagMs, elapsedMs } of ticks) {
    weighed += lagMs * elapsedMs;
    elapsed += elapsedMs;
  }
  return elapsed === 0 ? 0 : weighed / elapsed;
}

export interface OverloadWatch {
  /** Both may be called twice. Before the start nothing is overloaded. */
  start(): void;
  stop(): void;
  isOverloaded(): boolean;
}

/** Watches the event loop of this process. `onTurn` is told when it becomes overloaded, and when that is over. */
export function createOverloadWatch(onTurn: (isOverloaded: boolean) => void): OverloadWatch {
  let overload: Overload | null = null;
  let timer: NodeJS.Timeout | null = null;
  const isOverloaded = () => overload?.isNow ?? false;
  return {
    start: () => {
      if (timer !== null) return;
      const started = new Overload(performance.now());
      overload = started;
      timer = setInterval(() => {
        const before = started.isNow;
        started.tick(performance.now());
        if (started.isNow !== before) onTurn(started.isNow);
      }, TICK_MS);
      timer.unref();
    },
    stop: () => {
      if (timer !== null) clearInterval(timer);
      timer = null;
      overload = null;
    },
    isOverloaded,
  };
}
