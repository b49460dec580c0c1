type Part = 'read' | 'write';

/** Tells when the durable store begins to fail, and when all of it works again: it may be read, and take nothing. */
export class StoreTurn {
  readonly #failing = new Set<Part>();
  readonly #onTurn: (isWell: boolean, error?: unknown) => void;

  constructor(onTurn: (isWell: boolean, error?: unknown) => void) {
    this.#onTurn = onTurn;
  }

  failed(part: Part, error: unknown): void {
    const wasWell = this.#failing.size === 0;
    this.#failing.add(part);
    if (wasWell) this.#onTurn(false, error);
  }

  works(part: Part): void {
    if (this.#failing.delete(part) && this.#failing.size === 0) this.#onTurn(true);
  }
}
