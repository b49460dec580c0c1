import { z } from 'zod';
import type { JsonValue, Message } from '../../protocol/session.ts';
import type { Cache } from '../cache/cache.ts';
import type { DurableStore, LogRange } from './ports.ts';

const PAGE = z.array(
  z.object({
    id: z.string(),
    seq: z.int(),
    sessionId: z.string(),
    from: z.string(),
    type: z.string(),
    body: z.custom<JsonValue>((value) => value !== undefined),
    sentAt: z.string(),
  }),
);

const END = z.object({ epoch: z.int(), lastSeq: z.int(), isClosed: z.literal(true) });

/** How far the archive has a session. */
export interface SessionEnd {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly isClosed: boolean;
}

/**
 * Archived messages, in pages that are read again and again: of closed sessions above all, of open ones as well.
 *
 * What is archived never changes, in any epoch, so nothing is invalidated and nobody has to know whether the session is
 * closed: a page is kept when nothing that is archived later could be on it. Only retention takes messages away; a page
 * may show them for the life of its kind on top of their months. Who may see which is the business of the caller.
 */
export class CachedMessages {
  readonly #durable: Pick<DurableStore, 'readMessages' | 'loadSession'>;
  readonly #cache: Pick<Cache, 'getOrSet'>;

  constructor(durable: Pick<DurableStore, 'readMessages' | 'loadSession'>, cache: Pick<Cache, 'getOrSet'>) {
    this.#durable = durable;
    this.#cache = cache;
  }

  /**
   * Null when there is no such session. Kept for a closed one that the hot state has let go of, which it does when all of
   * it is archived: ask for no other. Its document is not kept, because it says who may read.
   */
  endOf(sessionId: string): Promise<SessionEnd | null> {
    return this.#cache.getOrSet<SessionEnd | null>({
      kind: 'history',
      subject: sessionId,
      key: 'end',
      parse: (kept) => END.parse(kept),
      load: async () => {
        // Where it ends does not depend on the time.
        const stored = await this.#durable.loadSession(sessionId, 0);
        if (stored === null) return null;
        const { document, lastSeq } = stored;
        return { epoch: document.epoch, lastSeq, isClosed: document.closed !== null };
      },
      isKept: (end) => end?.isClosed === true,
    });
  }

  async readMessages(sessionId: string, range: LogRange): Promise<Message[]> {
    if (range.limit === 0) return [];
    return this.#cache.getOrSet<Message[]>({
      kind: 'history',
      subject: sessionId,
      key: 'afterSeq' in range ? `after ${range.afterSeq} ${range.limit}` : `before ${range.beforeSeq} ${range.limit}`,
      parse: (kept) => PAGE.parse(kept),
      load: () => this.#durable.readMessages(sessionId, range),
      isKept: (messages) => isFinal(messages, range),
    });
  }
}

/**
 * The range without what lies behind the last message there will ever be, that of a closed session: a page that only
 * ended there is then a full one, and is kept.
 */
export function endingAt(lastSeq: number, range: LogRange): LogRange {
  if ('beforeSeq' in range) return { ...range, beforeSeq: Math.min(range.beforeSeq, lastSeq + 1) };
  return { ...range, limit: Math.max(0, Math.min(range.limit, lastSeq - range.afterSeq)) };
}

/** Whether the page stays what it is, whatever is archived later. */
function isFinal(messages: readonly Message[], range: LogRange): boolean {
  const isFull = messages.length === range.limit;
  if ('afterSeq' in range) return isFull;
  const [first] = messages;
  return messages.at(-1)?.seq === range.beforeSeq - 1 && (isFull || first?.seq === 1);
}
