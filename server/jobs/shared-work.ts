export interface SharedWork {
  /** Resolves, or rejects, as the next time of the work that begins from now on. */
  next(): Promise<void>;
}

/**
 * Work that many ask for at the same time, each of whom needs it to begin after they asked: one time is under way, and one
 * more waits for all who came meanwhile.
 */
export function createShared(work: () => Promise<void>): SharedWork {
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | null = null;
  return {
    next: () => {
      waiting ??= running
        .catch(() => undefined)
        .then(() => {
          waiting = null;
          running = work();
          return running;
        });
      return waiting;
    },
  };
}
