import { SIZES } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/session.ts';
import type { DurableStore, LogPage, LogRange, SessionState } from './ports.ts';

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

/** Reads the newest messages from the hot log and older ones from the durable store: one sequence for the caller. */
export class History {
  readonly #state: Pick<SessionState, 'readLog'>;
  readonly #durable: Pick<DurableStore, 'readMessages'>;

  constructor(state: Pick<SessionState, 'readLog'>, durable: Pick<DurableStore, 'readMessages'>) {
    this.#state = state;
    this.#durable = durable;
  }

  /** Null when there is no such session. At most 256 KiB of messages, but at least one when there is one. */
  async read({ sessionId, floorSeq, range }: HistoryRequest): Promise<HistoryPage | null> {
    if ('afterSeq' in range) return this.#after(sessionId, Math.max(range.afterSeq, floorSeq), range.limit);
    return this.#before(sessionId, floorSeq, range.beforeSeq, range.limit);
  }

  async #after(sessionId: string, afterSeq: number, limit: number): Promise<HistoryPage | null> {
    const log = await this.#state.readLog(sessionId, { afterSeq, limit });
    if (log === null) return null;
    let messages: readonly Message[] = log.messages;
    if (afterSeq + 1 < log.firstSeq && afterSeq < log.lastSeq) {
      const older = await this.#durable.readMessages(sessionId, { afterSeq, limit });
      messages = [...older, ...log.messages.filter(({ seq }) => seq > (older.at(-1)?.seq ?? 0))].slice(0, limit);
    }
    const kept = fitting(messages, 'first');
    const last = kept.at(-1)?.seq ?? afterSeq;
    return page(log, kept, last < log.lastSeq && kept.length > 0);
  }

  async #before(sessionId: string, floorSeq: number, beforeSeq: number, limit: number): Promise<HistoryPage | null> {
    const log = await this.#state.readLog(sessionId, { beforeSeq, limit });
    if (log === null) return null;
    let messages: readonly Message[] = log.messages;
    let isExhausted = false;
    const lowest = messages[0]?.seq ?? Math.min(beforeSeq, log.lastSeq + 1);
    if (messages.length < limit && lowest > floorSeq + 1) {
      const wanted = limit - messages.length;
      const older = await this.#durable.readMessages(sessionId, { beforeSeq: lowest, limit: wanted });
      isExhausted = older.length < wanted;
      messages = [...older, ...messages];
    }
    const visible = messages.filter(({ seq }) => seq > floorSeq);
    const kept = fitting(visible, 'last');
    const first = kept[0]?.seq ?? 0;
    return page(log, kept, first > floorSeq + 1 && !(isExhausted && kept.length === visible.length));
  }
}

function page(log: LogPage, messages: Message[], hasMore: boolean): HistoryPage {
  const { lastSeq, durableSeq, epoch } = log;
  return { messages, hasMore, lastSeq, durableSeq, epoch };
}

/** As many from that end as one packet may carry, and at least one. */
function fitting(messages: readonly Message[], from: 'first' | 'last'): Message[] {
  const ordered = from === 'first' ? [...messages] : [...messages].reverse();
  let bytes = 2;
  let count = 0;
  for (const message of ordered) {
    bytes += Buffer.byteLength(JSON.stringify(message)) + 1;
    if (bytes > SIZES.page && count > 0) break;
    count += 1;
  }
  const kept = ordered.slice(0, count);
  return from === 'first' ? kept : kept.reverse();
}
