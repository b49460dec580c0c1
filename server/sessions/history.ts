import { SIZES } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/session.ts';
import { endingAt, type CachedMessages } from './cached-messages.ts';
import type { LogPage, LogRange, SessionState } from './ports.ts';

/** A page of a session's messages, ascending. */
export interface HistoryPage {
  readonly messages: Message[];
  /** Whether there are more in the direction that was asked for. */
  readonly hasMore: boolean;
  readonly lastSeq: number;
  readonly durableSeq: number;
  readonly epoch: number;
}

/** What a reader may see: nothing up to and including `floorSeq`. */
export interface HistoryRequest {
  readonly sessionId: string;
  readonly floorSeq: number;
  readonly range: LogRange;
}

/**
 * Reads the newest messages from the hot log and older ones from the durable store, which has all of a session that the
 * hot state has let go of: one sequence for the caller.
 */
export class History {
  readonly #state: Pick<SessionState, 'readLog'>;
  readonly #archive: Pick<CachedMessages, 'readMessages' | 'endOf'>;

  constructor(state: Pick<SessionState, 'readLog'>, archive: Pick<CachedMessages, 'readMessages' | 'endOf'>) {
    this.#state = state;
    this.#archive = archive;
  }

  /** Null when there is no such session. At most 256 KiB of messages, but at least one when there is one. */
  async read({ sessionId, floorSeq, range }: HistoryRequest): Promise<HistoryPage | null> {
    if ('afterSeq' in range) return this.#after(sessionId, Math.max(range.afterSeq, floorSeq), range.limit);
    return this.#before(sessionId, floorSeq, range.beforeSeq, range.limit);
  }

  async #after(sessionId: string, afterSeq: number, limit: number): Promise<HistoryPage | null> {
    const log = await this.#logOf(sessionId, { afterSeq, limit });
    if (log === null) return null;
    let found = measuredOf(log);
    if (afterSeq + 1 < log.firstSeq && afterSeq < log.lastSeq) {
      const range = { afterSeq, limit };
      const asked = log.isOver === true ? endingAt(log.lastSeq, range) : range;
      const older = (await this.#archive.readMessages(sessionId, asked)).map(measured);
      const newest = older.at(-1)?.message.seq ?? 0;
      found = [...older, ...found.filter(({ message }) => message.seq > newest)].slice(0, limit);
    }
    const kept = fitting(found, 'first');
    // The database may have more than was shown when the log was looked at: no page ends above its own head.
    const lastSeq = Math.max(log.lastSeq, found.at(-1)?.message.seq ?? 0);
    const durableSeq = Math.max(log.durableSeq, lastSeq === log.lastSeq ? 0 : lastSeq);
    const last = kept.at(-1)?.seq ?? afterSeq;
    return page({ ...log, lastSeq, durableSeq }, kept, last < lastSeq && kept.length > 0);
  }

  async #logOf(sessionId: string, range: LogRange): Promise<Log | null> {
    const log = await this.#state.readLog(sessionId, range);
    if (log !== null) return log;
    const end = await this.#archive.endOf(sessionId);
    if (end === null) return null;
    const { epoch, lastSeq, isClosed: isOver } = end;
    return { epoch, lastSeq, durableSeq: lastSeq, firstSeq: lastSeq + 1, messages: [], messageBytes: [], isOver };
  }

  async #before(sessionId: string, floorSeq: number, beforeSeq: number, limit: number): Promise<HistoryPage | null> {
    const log = await this.#logOf(sessionId, { beforeSeq, limit });
    if (log === null) return null;
    let found = measuredOf(log);
    let isExhausted = false;
    const lowest = found[0]?.message.seq ?? Math.min(beforeSeq, log.lastSeq + 1);
    if (found.length < limit && lowest > floorSeq + 1) {
      const wanted = limit - found.length;
      const older = await this.#archive.readMessages(sessionId, { beforeSeq: lowest, limit: wanted });
      isExhausted = older.length < wanted;
      found = [...older.map(measured), ...found];
    }
    const visible = found.filter(({ message }) => message.seq > floorSeq);
    const kept = fitting(visible, 'last');
    const first = kept[0]?.seq ?? 0;
    return page(log, kept, first > floorSeq + 1 && !(isExhausted && kept.length === visible.length));
  }
}

/** The hot log, or where the archive ends; `isOver`: it will never have more. */
type Log = LogPage & { readonly isOver?: boolean };

/** A message and its bytes as JSON. */
interface Measured {
  readonly message: Message;
  readonly bytes: number;
}

function measured(message: Message): Measured {
  return { message, bytes: Buffer.byteLength(JSON.stringify(message)) };
}

/** The log knows the sizes: to stringify a page of 256 KiB only to measure it would take a millisecond. */
function measuredOf({ messages, messageBytes }: LogPage): readonly Measured[] {
  return messages.map((message, index) => {
    const bytes = messageBytes[index];
    return bytes === undefined ? measured(message) : { message, bytes };
  });
}

function page({ lastSeq, durableSeq, epoch }: LogPage, messages: Message[], hasMore: boolean): HistoryPage {
  return { messages, hasMore, lastSeq, durableSeq, epoch };
}

/** As many from that end as one packet may carry, and at least one. */
function fitting(found: readonly Measured[], from: 'first' | 'last'): Message[] {
  const ordered = from === 'first' ? [...found] : [...found].reverse();
  let total = 2;
  let count = 0;
  for (const { bytes } of ordered) {
    total += bytes + 1;
    if (total > SIZES.page && count > 0) break;
    count += 1;
  }
  const kept = ordered.slice(0, count).map(({ message }) => message);
  return from === 'first' ? kept : kept.reverse();
}
