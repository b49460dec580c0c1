/**
 * Who is due, without looking at everybody: a binary heap by time. A deadline that moves later costs nothing here: the
 * old place in the heap is looked at when its time comes, and the item put back where it belongs now.
 */
export class DeadlineQueue<T extends object> {
  readonly #heap: { at: number; item: T }[] = [];
  /** Earliest place of each item in the heap: a second, later one is not needed. */
  readonly #placedAt = new WeakMap<T, number>();

  /** The item is looked at no later than `at`. */
  place(item: T, at: number): void {
    const placedAt = this.#placedAt.get(item);
    if (placedAt !== undefined && placedAt <= at) return;
    this.#placedAt.set(item, at);
    this.#heap.push({ at, item });
    this.#rise(this.#heap.length - 1);
  }

  /** Takes the earliest item that was to be looked at by now, if any. */
  take(now: number): T | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > now) return undefined;
      this.#removeFirst();
      // An item that was placed again, earlier, has left this place behind.
      if (this.#placedAt.get(first.item) !== first.at) continue;
      this.#placedAt.delete(first.item);
      return first.item;
    }
  }

  get size(): number {
    return this.#heap.length;
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= this.#at(index)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #sink(start: number): void {
    let index = start;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(smaller) >= this.#at(index)) return;
      this.#swap(smaller, index);
      index = smaller;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first === undefined || second === undefined) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
