/** Work that nobody asks for. */
export interface Job {
  start(): void;
  /** Waits for the round that runs; may be called twice. */
  stop(): Promise<void>;
}

/** Rounds that never overlap, each `intervalMs` after the end of the one before. A failed round is reported, and the next one comes. */
export function createLoop(intervalMs: number, round: () => Promise<unknown>, onError: (error: unknown) => void): Job {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<unknown> = Promise.resolve();
  let isStopped = true;
  const plan = () => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = round().catch(onError).finally(plan);
    }, intervalMs);
    timer.unref();
  };
  return {
    start: () => {
      if (!isStopped) return;
      isStopped = false;
      plan();
    },
    stop: async () => {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
      await running;
    },
  };
}
