/** At most one signal in this time while somebody types. */
export const TYPING_REPEAT_MS = 2_000;
/** After this time without a signal nobody is typing any more: one that was lost, or a page that is gone, says nothing. */
export const TYPING_LASTS_MS = 4_000;

/** When to tell the others that this participant types. Times are on a clock that never goes back. */
export class TypingWriter {
  private readonly tell: (isTyping: boolean) => void;
  private readonly now: () => number;
  private toldAt = Number.NEGATIVE_INFINITY;
  private isTold = false;

  constructor(tell: (isTyping: boolean) => void, now: () => number) {
    this.tell = tell;
    this.now = now;
  }

  /** The text was changed by its writer. */
  changed(text: string): void {
    if (text.trim() === '') {
      this.tellEnd();
      return;
    }
    if (this.now() - this.toldAt < TYPING_REPEAT_MS) return;
    this.toldAt = this.now();
    this.isTold = true;
    this.tell(true);
  }

  /** It was sent: whoever goes on with the next one is seen typing at once. */
  stop(): void {
    this.tellEnd();
    this.toldAt = Number.NEGATIVE_INFINITY;
  }

  private tellEnd(): void {
    if (!this.isTold) return;
    this.isTold = false;
    this.tell(false);
  }
}

/** Who types at the moment, the one who began first coming first. */
export class TypingReader {
  private readonly now: () => number;
  private readonly until = new Map<string, number>();

  constructor(now: () => number) {
    this.now = now;
  }

  /** Milliseconds until somebody stops by itself; null when nobody types. */
  get nextEndMs(): number | null {
    return this.until.size === 0 ? null : Math.max(0, Math.min(...this.until.values()) - this.now());
  }

  heard(participantId: string, isTyping: boolean): void {
    if (isTyping) this.until.set(participantId, this.now() + TYPING_LASTS_MS);
    else this.until.delete(participantId);
  }

  typing(): string[] {
    for (const [id, end] of this.until) if (end <= this.now()) this.until.delete(id);
    return [...this.until.keys()];
  }
}
