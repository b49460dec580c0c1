import type { Revocation } from './ports.ts';

/** By then whoever took a revocation has told the durable store, unless it could not, or is no more. */
const DUE_MS = 10_000;
/** About 2 MB. What is forgotten beyond it is kept by the feed all the same, and by whoever took it. */
const MOST_NOTED = 10_000;
const AT_ONCE = 500;

/**
 * Revocations that the feed told of, and the durable store, which is the record, has not. Times are of one clock that only
 * grows.
 */
export class UnrecordedRevocations {
  readonly #noted = new Map<string, { readonly revocation: Revocation; readonly dueAt: number }>();

  note(revocations: readonly Revocation[], at: number): void {
    for (const revocation of revocations) {
      const key = keyOf(revocation);
      this.#noted.delete(key);
      this.#noted.set(key, { revocation, dueAt: at + DUE_MS });
      const [oldest] = this.#noted.size > MOST_NOTED ? this.#noted.keys() : [];
      if (oldest !== undefined) this.#noted.delete(oldest);
    }
  }

  /** What is noted counts for longer: as long as the refresh tokens of a login that the durable store takes for open. */
  extend(revocations: readonly Revocation[]): void {
    for (const longer of revocations) {
      const key = keyOf(longer);
      const noted = this.#noted.get(key);
      if (noted === undefined || noted.revocation.expiresAt >= longer.expiresAt) continue;
      this.#noted.set(key, { ...noted, revocation: { ...noted.revocation, expiresAt: longer.expiresAt } });
    }
  }

  /** The durable store has them. */
  confirm(revocations: readonly Revocation[]): void {
    for (const recorded of revocations) {
      const key = keyOf(recorded);
      const noted = this.#noted.get(key)?.revocation;
      // Of a user it may have an earlier one.
      if (noted !== undefined && (noted.notBefore ?? 0) <= (recorded.notBefore ?? 0)) this.#noted.delete(key);
    }
  }

  /** Those that somebody else should have told the durable store by now, some at a time; none that has expired. */
  due(at: number, now: number): Revocation[] {
    const due: Revocation[] = [];
    for (const [key, { revocation, dueAt }] of this.#noted) {
      if (dueAt > at || due.length >= AT_ONCE) break;
      if (revocation.expiresAt > now) due.push(revocation);
      else this.#noted.delete(key);
    }
    return due;
  }
}

function keyOf({ kind, subject }: Revocation): string {
  return `${kind} ${subject}`;
}
