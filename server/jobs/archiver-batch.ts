/** What sessions become on their way into the durable store. */
import type { CommitBatch, UnarchivedSession } from '../sessions/ports.ts';

/** Messages of one transaction: it must end well within the deadline of a statement. */
const MESSAGES_OF_BATCH = 2000;
const FEWEST_OF_BATCH = 50;
const BYTES_OF_BATCH = 4 * 1024 * 1024;

export function bytesOf({ messages }: UnarchivedSession): number {
  return messages.reduce((sum, { bodyJson }) => sum + bodyJson.length, 0);
}

/**
 * How many messages go into one transaction: half as many after each that did not end in time. A database that is slow, or
 * busy with others, would otherwise be given the same again and again, and never be done with it.
 */
export class BatchSize {
  #messages = MESSAGES_OF_BATCH;

  get messages(): number {
    return this.#messages;
  }

  failed(): void {
    this.#messages = Math.max(FEWEST_OF_BATCH, Math.floor(this.#messages / 2));
  }

  stored(): void {
    this.#messages = Math.min(MESSAGES_OF_BATCH, this.#messages * 2);
  }
}

/** In their order; more than one only when they would be too much for one transaction. */
export function batchesOf(sessions: readonly UnarchivedSession[], mostMessages: number): UnarchivedSession[][] {
  const batches: UnarchivedSession[][] = [];
  let [messages, bytes] = [0, 0];
  for (const session of sessions) {
    const ownBytes = bytesOf(session);
    const fits = messages + session.messages.length <= mostMessages && bytes + ownBytes <= BYTES_OF_BATCH;
    const batch = batches.at(-1);
    if (batch === undefined || !fits) {
      batches.push([session]);
      [messages, bytes] = [0, 0];
    } else batch.push(session);
    messages += session.messages.length;
    bytes += ownBytes;
  }
  return batches;
}

/** A session that did not change is named by its messages alone: that is most of what a conversation costs a database. */
export function batchOf(sessions: readonly UnarchivedSession[]): CommitBatch {
  return {
    // Without messages the document is what tells the epoch.
    sessions: sessions
      .filter(({ archived, messages, ended }) => !archived.document || messages.length === 0 || ended.length > 0)
      .map(({ document, version, lastActivityAt }) => ({
        document,
        changedSeatIds: document.seats.map(({ id }) => id),
        lastActivityAt,
        version,
      })),
    ended: sessions.flatMap(({ sessionId, ended }) => ended.map((seat) => ({ ...seat, sessionId }))),
    messages: sessions.flatMap(({ messages }) => messages),
    receipts: sessions.flatMap(({ sessionId, receipts, archived }) =>
      archived.receipts
        ? []
        : [...receipts].map(([seatId, { delivered, read }]) => ({ sessionId, seatId, delivered, read })),
    ),
  };
}
