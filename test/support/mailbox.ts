import { within } from './deadline.ts';

interface Waiter<T> {
  matches(item: T): boolean;
  take(item: T): void;
}

/**
 * Keeps what arrives until a test asks for it, so that nothing is missed between two awaits. `next` takes the oldest
 * match out; `all` is the whole history, taken or not.
 */
export class Mailbox<T> {
  readonly all: T[] = [];
  readonly #unread: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  readonly #describe: (item: T) => string;

  constructor(describe: (item: T) => string) {
    this.#describe = describe;
  }

  put(item: T): void {
    this.all.push(item);
    for (const waiter of this.#waiters) {
      if (!waiter.matches(item)) continue;
      this.#waiters.delete(waiter);
      waiter.take(item);
      return;
    }
    this.#unread.push(item);
  }

  next(wanted: string, matches: (item: T) => boolean, deadlineMs: number): Promise<T> {
    const index = this.#unread.findIndex(matches);
    const [found] = index === -1 ? [] : this.#unread.splice(index, 1);
    if (found !== undefined) return Promise.resolve(found);
    const arrival = new Promise<T>((take) => {
      this.#waiters.add({ matches, take });
    });
    const received = () => {
      const last = this.all.slice(-20).map(this.#describe).join(', ');
      return `expected ${wanted}, received [${last}]`;
    };
    return within(deadlineMs, received, arrival);
  }
}
