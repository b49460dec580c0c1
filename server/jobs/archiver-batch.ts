/** What sessions become on their way into the durable store. */
import type { CommitBatch, UnarchivedSession } from '../sessions/ports.ts';

/** Messages of one transaction: it must end well within the deadline of a statement. */
const MESSAGES_OF_BATCH = 2000;
const FEWEST_OF_BATCH = 50;
/** What a batch may have more when one of that size was stored in time. */
const GROWTH_OF_BATCH = 100;
const BYTES_OF_BATCH = 4 * 1024 * 1024;

export function bytesOf({ messages }: UnarchivedSession): number {
  return messages.reduce((sum, { bodyJson }) => sum + bodyJson.length, 0);
}

/**
 * How many messages go into one transaction: half of what did not end in time, and more again, step by step, when that many
 * did. A database that is slow, or busy with others, would otherwise be given the same again and again, and never be done
 * with it.
 */
export class BatchSize {
  #messages = MESSAGES_OF_BATCH;

  get messages(): number {
    return this.#messages;
  }

  failed(count: number): void {
    this.#messages = Math.max(FEWEST_OF_BATCH, Math.floor(Math.min(this.#messages, count) / 2));
  }

  /** What is small says nothing of what is large. */
  stored(count: number): void {
    if (2 * count < this.#messages) return;
    this.#messages = Math.min(MESSAGES_OF_BATCH, this.#messages + GROWTH_OF_BATCH);
  }
}

/** In their order; more than one only when they would be too much for one transaction. Each is as large as fits by then. */
export function* batchesOf(
  sessions: readonly UnarchivedSession[],
  size: Pick<BatchSize, 'messages'>,
): Generator<UnarchivedSession[], void> {
  let batch: UnarchivedSession[] = [];
  let [messages, bytes] = [0, 0];
  for (const session of sessions) {
    const ownBytes = bytesOf(session);
    const fits = messages + session.messages.length <= size.messages && bytes + ownBytes <= BYTES_OF_BATCH;
    if (batch.length > 0 && !fits) {
      yield batch;
      batch = [];
      [messages, bytes] = [0, 0];
    }
    batch.push(session);
    messages += session.messages.length;
    bytes += ownBytes;
  }
  if (batch.length > 0) yield batch;
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
