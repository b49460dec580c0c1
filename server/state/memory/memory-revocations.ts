import type { FeedReading, Revocation, RevocationFeed } from '../../auth/ports.ts';

/** One process alone: whom it tells is itself, and what lasts is in Postgres. */
export class MemoryRevocations implements RevocationFeed {
  readonly #listeners: ((revocations: readonly Revocation[]) => void)[] = [];

  publish(revocations: readonly Revocation[]): Promise<boolean> {
    for (const listener of this.#listeners) listener(revocations);
    return Promise.resolve(false);
  }

  changes(): Promise<FeedReading> {
    return Promise.resolve({ revocations: [], asOf: 0, epoch: 'process' });
  }

  onPublished(listener: (revocations: readonly Revocation[]) => void): void {
    this.#listeners.push(listener);
  }
}
