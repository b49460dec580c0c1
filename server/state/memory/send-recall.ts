import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { DurableStore, StoredSend } from '../../sessions/ports.ts';
import { participantOf, SERVER } from '../../sessions/session.ts';
import { KnownSends, type KnownSend } from './known-sends.ts';
import { RecalledSends } from './recalled-sends.ts';
import type { SessionEntry } from './session-entry.ts';

/** Ids that are read back at once for a session that was loaded. */
const RECALLED_SENDS = 5000;
/** Ids that closed sessions may hold together, about 150 bytes each; an open one needs its own. */
const RECALLED_SENDS_OF_CLOSED = 200_000;

/** Ids of sends that are not in memory, because the session was read back or has closed. */
export class SendRecall {
  readonly #durable: Pick<DurableStore, 'findSend' | 'recentSends'>;
  readonly #recalled = new RecalledSends<SessionEntry>(RECALLED_SENDS_OF_CLOSED);

  constructor(durable: Pick<DurableStore, 'findSend' | 'recentSends'>) {
    this.#durable = durable;
  }

  /**
   * Looks for an id that memory does not know. False when the session was set aside or closed meanwhile: look again.
   * One lookup after the other, in the order of the calls: a send whose lookup is slow is not overtaken. When one fails
   * all that wait behind it fail with it.
   */
  recall(entry: SessionEntry, wanted: { seatId: string; id: string }, since: number): Promise<boolean> {
    const recall = (entry.recall ?? Promise.resolve()).then(() => this.#recall(entry, wanted, since));
    entry.recall = recall;
    const forget = () => {
      if (entry.recall === recall) entry.recall = null;
    };
    recall.then(forget, forget);
    return recall;
  }

  /** Its ids are in the durable store, and read back when somebody asks for one. */
  forget(entry: SessionEntry): void {
    entry.sends = new KnownSends(Number.POSITIVE_INFINITY);
    entry.sendsRecalled = false;
  }

  /** The entry is in memory no more. */
  dropped(entry: SessionEntry): void {
    this.#recalled.delete(entry);
  }

  /** All recent ids at first, with one query; one by one for a session that has too many. */
  async #recall(entry: SessionEntry, { seatId, id }: { seatId: string; id: string }, since: number): Promise<boolean> {
    const durable = this.#durable;
    const { sends } = entry;
    // What is found belongs to these sends alone: those of a session that was closed meanwhile are others.
    const isOver = () => entry.isGone || entry.sends !== sends;
    if (isOver()) return false;
    // The lookup before this one may have found everything.
    if (sends.knowsAllSince(since)) return true;
    if (!entry.sendsRecalled) {
      const recent = await durable.recentSends(entry.id, since, RECALLED_SENDS);
      if (isOver()) return false;
      entry.sendsRecalled = true;
      const isAll = recent.length < RECALLED_SENDS;
      const oldest = recent[recent.length - 1];
      recent.reverse();
      sends.restore(recent.map(knownOf), isAll || oldest === undefined ? since : oldest.sentAt + 1);
      if (entry.visible?.closed !== null) {
        for (const oldest of this.#recalled.add(entry, sends.size)) this.forget(oldest);
      }
      if (isAll) return true;
    }
    const stored = await durable.findSend(entry.id, participantOf(seatId), id);
    if (isOver()) return false;
    if (stored !== null && stored.sentAt >= since) sends.restore([knownOf(stored)], Number.POSITIVE_INFINITY);
    return true;
  }
}

function knownOf(stored: StoredSend): [string, KnownSend] {
  const { participantId, id, seq, sentAt, type, bodyJson } = stored;
  return [
    KnownSends.key(participantId ?? SERVER.seatId, id),
    { seq, sentAt, fingerprint: fingerprintOf(type, bodyJson), stored: null },
  ];
}
