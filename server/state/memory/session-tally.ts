import type { StateCounts } from '../../sessions/ports.ts';
import { statusOf, type SessionDocument } from '../../sessions/session.ts';

/** How many sessions are open, and who is in them: kept as it changes, because it is asked for far more often than it does. */
export class SessionTally {
  readonly #sessions = { waiting: 0, paired: 0 };
  readonly #participants = { online: 0, away: 0 };

  /** What is visible of one session became something else; null: it is not there. */
  moved(before: SessionDocument | null, after: SessionDocument | null): void {
    this.#add(before, -1);
    this.#add(after, 1);
  }

  counts(): Pick<StateCounts, 'sessions' | 'participants'> {
    return { sessions: { ...this.#sessions }, participants: { ...this.#participants } };
  }

  #add(document: SessionDocument | null, times: 1 | -1): void {
    if (document === null || document.closed !== null) return;
    this.#sessions[statusOf(document) === 'paired' ? 'paired' : 'waiting'] += times;
    for (const { presence } of document.seats) this.#participants[presence] += times;
  }
}
