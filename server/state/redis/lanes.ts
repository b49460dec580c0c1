/**
 * The order in which this instance works on a session: what changes it runs alone, what does not runs together, and
 * each begins after what was asked for before it. Without this a message could be told before the join that it follows.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** Runs when everything that was asked for before is done; what is asked for later waits. */
  alone<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(sessionId);
    const before = lane === undefined ? null : Promise.all([lane.alone, ...lane.together]);
    return this.#enter(sessionId, before, run, true);
  }

  /** Runs beside others like it, after the changes that were asked for before. At once when there are none. */
  together<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    return this.#enter(sessionId, this.#lanes.get(sessionId)?.alone ?? null, run, false);
  }

  #enter<T>(sessionId: string, before: Promise<unknown> | null, run: () => Promise<T>, isAlone: boolean): Promise<T> {
    const work = before === null ? run() : before.then(run);
    const done = work.then(ignore, ignore);
    let lane = this.#lanes.get(sessionId);
    if (lane === undefined) this.#lanes.set(sessionId, (lane = { alone: null, together: new Set(), size: 0 }));
    const entered = lane;
    entered.size += 1;
    if (isAlone) {
      // Whoever comes next waits for this one, which waited for all of them.
      entered.together = new Set();
      entered.alone = done;
    } else {
      entered.together.add(done);
    }
    void done.then(() => {
      entered.together.delete(done);
      if (entered.alone === done) entered.alone = null;
      entered.size -= 1;
      if (entered.size === 0) this.#lanes.delete(sessionId);
    });
    return work;
  }
}

interface Lane {
  /** The newest change that is not done. */
  alone: Promise<void> | null;
  /** What was asked for since and is not done. */
  together: Set<Promise<void>>;
  /** Everything that is not done. */
  size: number;
}

function ignore(): void {
  // Its caller hears of it.
}
