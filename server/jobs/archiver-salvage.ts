import type { DurableStore, StoredMessage, UnarchivedSession } from '../sessions/ports.ts';
import { batchOf } from './archiver-batch.ts';
import { isRefusal } from './archiver-refusal.ts';

export interface Salvaged {
  /** What of the session is stored now; null when nothing is. */
  readonly stored: UnarchivedSession | null;
  /** Why the rest is not, as closely as it could be found. */
  readonly fault: unknown;
  /** The message that is refused; null when the session or its seats are. */
  readonly seq: number | null;
}

/**
 * Stores what can be stored of a session that the database refuses as a whole: all before the message that it refuses, or
 * the messages without the seats that it refuses. At most a dozen commits. Rejects when the database can't be asked.
 */
export async function salvage(
  durable: Pick<DurableStore, 'commit'>,
  session: UnarchivedSession,
  refusal: unknown,
): Promise<Salvaged> {
  const { messages } = session;
  const head = messages.length === 0 ? refusal : await refusalOf(durable, { ...session, messages: [] });
  if (head === null) {
    const { count, fault } = await storePrefix(durable, messages, refusal);
    const stored = { ...session, messages: messages.slice(0, count) };
    return { stored, fault, seq: messages[count]?.seq ?? null };
  }
  const known = messages.filter(({ seq }) => seq <= lastSeqOfStoredSeats(session));
  if (known.length === 0) return { stored: null, fault: head, seq: null };
  const whole = await refusalOf(durable, known);
  const count = whole === null ? known.length : (await storePrefix(durable, known, whole)).count;
  // Seats that ended are stored with the document.
  const stored = count === 0 ? null : { ...session, messages: known.slice(0, count), ended: [] };
  return { stored, fault: head, seq: null };
}

/**
 * A message counts as archived with all seats that existed then. One that was taken before the archive's head is in it:
 * it came with that message. Of later ones nobody knows.
 */
function lastSeqOfStoredSeats({ document, ended, durableSeq }: UnarchivedSession): number {
  const seats = [...document.seats, ...ended.map(({ seat }) => seat)];
  return Math.min(...seats.map(({ joinedSeq }) => joinedSeq).filter((seq) => seq >= durableSeq), Infinity);
}

/** Of messages that are refused together: stores those before the first that is refused, and tells what was said of it. */
async function storePrefix(
  durable: Pick<DurableStore, 'commit'>,
  messages: readonly StoredMessage[],
  refusal: unknown,
): Promise<{ count: number; fault: unknown }> {
  // The first `count` are stored, and among those up to `end` one is refused.
  let [count, end, fault] = [0, messages.length, refusal];
  // The first alone to begin with: it is the one, whenever the session comes again.
  for (let next = 1; end - count > 1; next = Math.ceil((count + end) / 2)) {
    const refused = await refusalOf(durable, messages.slice(count, next));
    if (refused === null) count = next;
    else [end, fault] = [next, refused];
  }
  return { count, fault };
}

/** Null when it is stored. */
async function refusalOf(
  durable: Pick<DurableStore, 'commit'>,
  what: UnarchivedSession | readonly StoredMessage[],
): Promise<unknown> {
  const batch = 'document' in what ? batchOf([what]) : { ...batchOf([]), messages: what };
  try {
    await durable.commit(batch);
    return null;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}
