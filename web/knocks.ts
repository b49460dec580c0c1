import type { SessionEvents } from '../client/index.ts';

type Knock = SessionEvents['knock'];

/** `isAnswering`: the host's answer is on its way. */
export type WaitingKnock = Knock & { readonly isAnswering: boolean };

/** The server lets nobody wait longer, and tells nobody who has gone. */
const WAIT_MS = 60_000;
/** After a connection came back, those who still wait are told at once; whoever was not has gone meanwhile. */
const TOLD_AGAIN_MS = 2_000;
/** The server lets ten wait. */
const MOST = 50;

/** Who waits for this host, oldest first, as far as it is known. Times are milliseconds on one clock. */
export class Knocks {
  private readonly told = new Map<string, { readonly knock: Knock; toldAt: number }>();
  private readonly answering = new Set<string>();

  get list(): readonly WaitingKnock[] {
    return [...this.told.values()].map(({ knock }) => ({ ...knock, isAnswering: this.answering.has(knock.knockId) }));
  }

  /** Somebody knocks, or still waits after a connection came back. */
  tell(knock: Knock, now: number): void {
    const known = this.told.get(knock.knockId);
    if (known !== undefined) known.toldAt = now;
    else if (this.told.size < MOST) this.told.set(knock.knockId, { knock, toldAt: now });
  }

  /** False when an answer is on its way already. */
  begin(knockId: string): boolean {
    if (!this.told.has(knockId) || this.answering.has(knockId)) return false;
    this.answering.add(knockId);
    return true;
  }

  /** How the answer went: whether the knock still waits for one. */
  end(knockId: string, stillWaits: boolean): void {
    this.answering.delete(knockId);
    if (!stillWaits) this.told.delete(knockId);
  }

  /** `onlineSince`: since when the connection of the moment stands. */
  forgetGone(now: number, onlineSince: number): void {
    for (const [knockId, { toldAt }] of this.told) {
      const isUntold = toldAt < onlineSince && now - onlineSince >= TOLD_AGAIN_MS;
      if (isUntold || now - toldAt >= WAIT_MS) this.told.delete(knockId);
    }
  }

  clear(): void {
    this.told.clear();
    this.answering.clear();
  }
}
