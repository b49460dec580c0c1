import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import type { DueSession } from '../../sessions/ports.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import type { SessionEntry } from './session-entry.ts';

/** How long a due session is left alone before it is handed out again. */
const DUE_AGAIN_MS = 1000;

/** Which sessions are due. */
export class DueSessions {
  readonly #queue = new DeadlineQueue<SessionEntry>();
  readonly #timings: Timings;

  constructor(timings: Timings) {
    this.#timings = timings;
  }

  /** The session's next deadline may have come nearer. */
  schedule(entry: SessionEntry): void {
    const deadline = entry.visible === null ? null : nextDeadline(entry.visible, entry, this.#timings);
    if (deadline !== null) this.#queue.place(entry, deadline.at);
  }

  take(limit: number, now: number): DueSession[] {
    const due: DueSession[] = [];
    while (due.length < limit) {
      const entry = this.#queue.take(now);
      if (entry === undefined) break;
      if (entry.isGone || entry.visible === null) continue;
      const deadline = nextDeadline(entry.visible, entry, this.#timings);
      if (deadline === null) continue;
      if (deadline.at > now) {
        this.#queue.place(entry, deadline.at);
        continue;
      }
      due.push({ sessionId: entry.id, deadline });
      if (deadline.kind === 'warn') {
        entry.idleWarned = true;
        this.schedule(entry);
      } else {
        this.#queue.place(entry, now + DUE_AGAIN_MS);
      }
    }
    return due;
  }
}
