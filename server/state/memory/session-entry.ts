import type { ActivityState, LeaveReason } from '../../../protocol/session.ts';
import type { LogPage, LogRange, Receipt, SessionSnapshot } from '../../sessions/ports.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { KnownSends } from './known-sends.ts';
import type { LoggedMessage } from './logged-message.ts';

/**
 * One session in memory, twice: as it is decided, and as it is visible. Decisions run ahead of the commit that makes
 * them visible; a failed commit throws the whole entry away, so the two never have to be taken apart again.
 */
export class SessionEntry {
  readonly id: string;
  /** What the next decision builds on. */
  decided: SessionDocument;
  decidedSeq: number;
  readonly decidedReceipts: Map<string, Receipt>;
  /** What anybody may see; null until the create itself is stored. */
  visible: SessionDocument | null = null;
  lastSeq: number;
  /** Replaced, never changed: a snapshot that was given out keeps what it showed. */
  receipts: ReadonlyMap<string, Receipt>;
  activity: ReadonlyMap<string, ActivityState> = new Map();
  lastActivityAt: number;
  idleWarned = false;
  sends: KnownSends;
  /** Whether recent sends were read back into `sends`. */
  sendsRecalled = false;
  /** Lookups of sends, one after the other, so that no send overtakes another; null when none is under way. */
  recall: Promise<boolean> | null = null;
  /** Why seats ended that are still visible: nobody else remembers it when the commit's answer is lost. */
  readonly endings = new Map<string, LeaveReason>();
  /** Writes that were decided and are not yet visible. */
  pendingWrites = 0;
  /** Thrown away: whoever still holds it opens the session again. */
  isGone = false;
  /** The newest visible messages, ascending, ending with `lastSeq`. */
  #log: LoggedMessage[] = [];
  #logBytes = 0;

  constructor(
    decided: SessionDocument,
    head: { lastSeq: number; lastActivityAt: number; receipts: ReadonlyMap<string, Receipt>; sendsKnownSince: number },
  ) {
    this.id = decided.id;
    this.decided = decided;
    this.decidedSeq = head.lastSeq;
    this.lastSeq = head.lastSeq;
    this.lastActivityAt = head.lastActivityAt;
    this.decidedReceipts = new Map(head.receipts);
    this.receipts = new Map(head.receipts);
    this.sends = new KnownSends(head.sendsKnownSince);
  }

  snapshot(document: SessionDocument): SessionSnapshot {
    const { lastSeq, lastActivityAt, receipts, activity } = this;
    // Embedded: what is visible is committed, so the two heads are one.
    return { document, lastSeq, durableSeq: lastSeq, lastActivityAt, receipts, activity };
  }

  setReceipt(seatId: string, receipt: Receipt): void {
    this.receipts = new Map(this.receipts).set(seatId, receipt);
  }

  setActivity(seatId: string, state: ActivityState): void {
    if (this.activity.get(seatId) !== state) this.activity = new Map(this.activity).set(seatId, state);
  }

  /** Forgets receipts and activity of seats that are no more. */
  forgetSeats(): void {
    const living = new Set(this.decided.seats.map((seat) => seat.id));
    const isLiving = ([seatId]: readonly [string, unknown]) => living.has(seatId);
    if (this.receipts.size > living.size) this.receipts = new Map([...this.receipts].filter(isLiving));
    if (this.activity.size > living.size) this.activity = new Map([...this.activity].filter(isLiving));
    for (const seatId of this.decidedReceipts.keys()) if (!living.has(seatId)) this.decidedReceipts.delete(seatId);
  }

  /** Appends the next visible message; returns by how many bytes the log grew. */
  show(logged: LoggedMessage, maxMessages: number): number {
    const before = this.#logBytes;
    this.lastSeq = logged.message.seq;
    this.#log.push(logged);
    this.#logBytes += logged.heapBytes;
    // Trimmed in steps: dropping one from the front of a long array with every message would move all of it.
    if (this.#log.length > maxMessages + Math.max(16, maxMessages >> 2)) {
      for (const { heapBytes } of this.#log.splice(0, this.#log.length - maxMessages)) this.#logBytes -= heapBytes;
    }
    return this.#logBytes - before;
  }

  /** Forgets the messages, not their ids: the durable store has them. Returns by how many bytes the log shrank. */
  shed(): number {
    const bytes = this.#logBytes;
    this.#log = [];
    this.#logBytes = 0;
    return bytes;
  }

  readLog(range: LogRange): LogPage {
    const log = this.#log;
    const firstSeq = this.lastSeq + 1 - log.length;
    let from: number;
    let to: number;
    if ('afterSeq' in range) {
      from = Math.max(range.afterSeq + 1, firstSeq);
      to = Math.min(from + range.limit, this.lastSeq + 1);
    } else {
      to = Math.min(range.beforeSeq, this.lastSeq + 1);
      from = Math.max(to - range.limit, firstSeq);
    }
    const found = from < to ? log.slice(from - firstSeq, to - firstSeq) : [];
    const messages = found.map(({ message }) => message);
    const messageBytes = found.map(({ jsonBytes }) => jsonBytes);
    const { epoch } = this.decided;
    return { epoch, lastSeq: this.lastSeq, durableSeq: this.lastSeq, firstSeq, messages, messageBytes };
  }
}
