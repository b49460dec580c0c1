export interface Poll {
  start(): void;
  /** Waits for the round that runs; may be called twice. */
  stop(): Promise<void>;
}

export interface PollOptions {
  readonly intervalMs: number;
  /** After a round that failed. */
  readonly retryMs: number;
  readonly round: () => Promise<void> | void;
  readonly onError: (error: unknown) => void;
}

/** Rounds that never overlap. */
export function createPoll({ intervalMs, retryMs, round, onError }: PollOptions): Poll {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();
  let isStopped = true;
  const plan = (delayMs: number) => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = Promise.resolve()
        .then(round)
        .then(
          () => plan(intervalMs),
          (error: unknown) => {
            onError(error);
            plan(retryMs);
          },
        );
    }, delayMs);
    timer.unref();
  };
  return {
    start: () => {
      if (!isStopped) return;
      isStopped = false;
      plan(intervalMs);
    },
    stop: async () => {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
      await running;
    },
  };
}
