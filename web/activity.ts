import type { ActivityState, TandemSession } from '../client/index.ts';

/** Without any input for so long, somebody counts as idle. */
const IDLE_AFTER_MS = 60_000;
/** Reports are no closer than this: who switches between tabs is not worth a packet each time. */
const PAUSE_MS = 5_000;

/** What this needs of a session. */
export type Told = Pick<TandemSession, 'reportActivity'>;

/** Whether the person is at the page, told to the others when it changes. */
export class Activity {
  private readonly now: () => number;
  private lastInputAt: number;
  private isHidden = false;
  private session: Told | null = null;
  private told: ActivityState = 'active';
  private toldAt = -Infinity;
  private isTelling = false;

  constructor(now: () => number) {
    this.now = now;
    this.lastInputAt = now();
  }

  /** A key, a touch, a move of the mouse. */
  input(): void {
    this.lastInputAt = this.now();
  }

  setHidden(isHidden: boolean): void {
    this.isHidden = isHidden;
    if (!isHidden) this.input();
  }

  /** Called at every tick. `session` is null, and nothing is told, while there is no open one that is connected. */
  update(session: Told | null): void {
    if (session === null) return;
    if (session !== this.session) {
      this.session = session;
      // A seat is taken by somebody who is there.
      this.told = 'active';
    }
    const isIdle = this.isHidden || this.now() - this.lastInputAt >= IDLE_AFTER_MS;
    const state = isIdle ? 'idle' : 'active';
    if (state === this.told || this.isTelling || this.now() - this.toldAt < PAUSE_MS) return;
    void this.tell(session, state);
  }

  private async tell(session: Told, state: ActivityState): Promise<void> {
    this.isTelling = true;
    this.toldAt = this.now();
    try {
      await session.reportActivity(state);
      if (this.session === session) this.told = state;
    } catch {
      // No answer, or no connection after all: the next tick but a few tries again.
    } finally {
      this.isTelling = false;
    }
  }
}
