/** So many at once, the others in the order in which they came. */
export interface Turns {
  /** False when the signal was aborted before it was its turn; true must be given back. */
  take(signal: AbortSignal): Promise<boolean>;
  giveBack(): void;
}

export function createTurns(max: number): Turns {
  let free = max;
  const waiting = new Set<() => void>();
  return {
    take: (signal) => {
      if (signal.aborted) return Promise.resolve(false);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const giveUp = () => {
          waiting.delete(enter);
          resolve(false);
        };
        const enter = () => {
          signal.removeEventListener('abort', giveUp);
          resolve(true);
        };
        waiting.add(enter);
        signal.addEventListener('abort', giveUp, { once: true });
      });
    },
    giveBack: () => {
      const [next] = waiting;
      if (next === undefined) {
        free += 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
