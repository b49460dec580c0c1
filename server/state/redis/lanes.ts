/**
 * The order in which this instance works on a session: what changes it runs alone, what does not runs together, and
 * each begins after what was asked for before it. Without this a message could be told before the join that it follows.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** Runs when everything that was asked for before is done; what is asked for later waits. */
  alone<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    const lane = this.#enter(sessionId);
    const { alone: before, group } = lane;
    // All of the group began after that change, or wait for it; nobody joins it any more.
    const ready = group.size > 0 ? group.whenEmpty() : before;
    const work = ready === null ? run() : ready.then(run);
    const done = work.then(ignore, ignore);
    lane.group = new Group();
    lane.alone = done;
    void done.then(() => {
      if (lane.alone === done) lane.alone = null;
      this.#leave(sessionId, lane);
    });
    return work;
  }

  /** Runs beside others like it, after the changes that were asked for before. At once when there are none. */
  together<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    const turn = this.join(sessionId);
    const work = turn.before === null ? run() : turn.before.then(run);
    void work.then(turn.leave, turn.leave);
    return work;
  }

  /** As `together`, for a caller that runs by itself once `before` is done, and says when it has: no promise is made for it. */
  join(sessionId: string): Turn {
    const lane = this.#enter(sessionId);
    const { group } = lane;
    group.size += 1;
    const leave = () => {
      group.leave();
      this.#leave(sessionId, lane);
    };
    return { before: lane.alone, leave };
  }

  #enter(sessionId: string): Lane {
    let lane = this.#lanes.get(sessionId);
    if (lane === undefined) this.#lanes.set(sessionId, (lane = { alone: null, group: new Group(), size: 0 }));
    lane.size += 1;
    return lane;
  }

  #leave(sessionId: string, lane: Lane): void {
    lane.size -= 1;
    if (lane.size === 0) this.#lanes.delete(sessionId);
  }
}

export interface Turn {
  /** Never rejects; null when nothing is to be waited for. */
  readonly before: Promise<void> | null;
  /** To be called once. */
  readonly leave: () => void;
}

interface Lane {
  /** The newest change that is not done. */
  alone: Promise<void> | null;
  /** What was asked for since. */
  group: Group;
  /** Everything that is not done. */
  size: number;
}

/** What runs together. */
class Group {
  size = 0;
  #onEmpty: (() => void) | null = null;

  leave(): void {
    this.size -= 1;
    if (this.size === 0) this.#onEmpty?.();
  }

  /** For one that waits, while the group is not empty. */
  whenEmpty(): Promise<void> {
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }
}

function ignore(): void {
  // Its caller hears of it.
}
