/** Listeners of named events, typed by a map from name to payload. */
export class Emitter<M extends object> {
  readonly #listeners = new Map<keyof M, Set<(payload: never) => void>>();

  /** Adds a listener; the returned function removes it. The same function is added once. */
  on<E extends keyof M>(event: E, listener: (payload: M[E]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set);
    set.add(listener);
    return () => void set.delete(listener);
  }

  has(event: keyof M): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /** A listener that throws does not keep the others, or the next event, from being told. */
  emit<E extends keyof M>(event: E, payload: M[E]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        // Only `on` adds to the set of this event, with a listener of its payload.
        (listener as (payload: M[E]) => void)(payload);
      } catch (error) {
        report(error);
      }
    }
  }
}

/** As an exception of the application that nobody caught: that is what it is. */
function report(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}
