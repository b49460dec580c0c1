import type { SeatStorage } from '../../client/types.ts';

/** The storage of a tab; `fault` makes it one that is full, or forbidden altogether. */
export class FakeStorage implements SeatStorage {
  readonly items = new Map<string, string>();
  fault: 'full' | 'forbidden' | null = null;

  get length(): number {
    this.#use();
    return this.items.size;
  }

  key(index: number): string | null {
    this.#use();
    return [...this.items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    this.#use();
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#use();
    if (this.fault === 'full') throw new DOMException('no room', 'QuotaExceededError');
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.#use();
    this.items.delete(key);
  }

  #use(): void {
    if (this.fault === 'forbidden') throw new DOMException('not here', 'SecurityError');
  }
}
