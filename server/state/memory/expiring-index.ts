/**
 * Which session a code or a key leads to, until it expires. It is a hint: the session's document decides, so an entry
 * that outlived its document does no harm.
 */
export class ExpiringIndex {
  readonly #entries = new Map<string, { sessionId: string; expiresAt: number }>();

  /** False, and nothing done, when the name leads to another session and is not over. */
  claim(name: string, sessionId: string, expiresAt: number, now: number): boolean {
    const known = this.#entries.get(name);
    if (known !== undefined && known.sessionId !== sessionId && known.expiresAt > now) return false;
    this.point(name, sessionId, expiresAt, now);
    return true;
  }

  /** The name leads there from now on, wherever it led before. */
  point(name: string, sessionId: string, expiresAt: number, now: number): void {
    const known = this.#entries.get(name);
    if (known?.sessionId === sessionId && known.expiresAt === expiresAt) return;
    // Deleted first, so that insertion order stays the order of expiry.
    this.#entries.delete(name);
    this.#entries.set(name, { sessionId, expiresAt });
    this.#forget(now);
  }

  release(name: string, sessionId: string): void {
    if (this.#entries.get(name)?.sessionId === sessionId) this.#entries.delete(name);
  }

  find(name: string, now: number): string | null {
    const known = this.#entries.get(name);
    return known !== undefined && known.expiresAt > now ? known.sessionId : null;
  }

  /** Number of entries that are alive. */
  countAlive(now: number): number {
    this.#forget(now);
    return this.#entries.size;
  }

  /** All entries have the same lifetime, so those that are over stand in front. */
  #forget(now: number): void {
    for (const [name, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return;
      this.#entries.delete(name);
    }
  }
}
