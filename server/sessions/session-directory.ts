import { TandemError } from '../../protocol/errors.ts';
import type { Session, SessionStatus } from '../../protocol/session.ts';
import type { Announcer } from './announcer.ts';
import type { History, HistoryPage } from './history.ts';
import type { Guess, JoinGuard } from './join-guard.ts';
import { normalizeCode } from './pairing-code.ts';
import type {
  DurableStore,
  LogRange,
  Page,
  PageRequest,
  SessionSnapshot,
  SessionState,
  StoredLeftSeat,
  StoredSession,
  TimelineEntry,
} from './ports.ts';
import { invalid, refused } from './refusals.ts';
import { isKicked, statusOf } from './session.ts';

export interface SessionDirectoryOptions {
  state: Pick<SessionState, 'read' | 'findByCode'>;
  durable: Pick<
    DurableStore,
    'loadSession' | 'listSessions' | 'searchSessions' | 'sessionsOfUser' | 'seatsOfUser' | 'leftSeats' | 'sessionEvents'
  >;
  history: History;
  announcer: Pick<Announcer, 'view'>;
  guard: JoinGuard;
  now: () => number;
  /** Brings the durable store to the state of now, as far as lists show it, where that is another one than the hot state's. */
  archiveChanges?: () => Promise<void>;
}

/** What somebody may know of a session before joining it. */
export interface SessionSummary {
  readonly status: SessionStatus;
  readonly capacity: number;
  readonly participants: number;
  readonly locked: boolean;
  readonly approval: boolean;
}

/**
 * Sessions as those see them who stand outside: backends, users looking back. An open session is read from the hot
 * state, so that everything that was answered is seen; the durable store knows the others.
 */
export class SessionDirectory {
  readonly #options: SessionDirectoryOptions;

  constructor(options: SessionDirectoryOptions) {
    this.#options = options;
  }

  /** Guesses count as join misses: throws `RATE_LIMITED`, `INVALID_PAYLOAD`, `SESSION_NOT_FOUND`. */
  async summary(typed: string, ip: string): Promise<SessionSummary> {
    const guess = await this.#options.guard.admit(ip);
    try {
      return await this.#summaryOf(normalizeCode(typed), guess);
    } finally {
      guess.end();
    }
  }

  async #summaryOf(code: string | null, guess: Guess): Promise<SessionSummary> {
    const { state, now } = this.#options;
    if (code === null) {
      await guess.miss();
      throw invalid('code', 'expected digits and consonants of a pairing code, as BCD-234');
    }
    const sessionId = await state.findByCode(code);
    const document = sessionId === null ? null : ((await state.read(sessionId))?.document ?? null);
    if (document === null || document.code?.value !== code || document.code.expiresAt <= now()) {
      await guess.miss();
      throw refused('code_dead');
    }
    const { capacity, seats, locked, approval } = document;
    return { status: statusOf(document), capacity, participants: seats.length, locked, approval };
  }

  /** Throws `SESSION_NOT_FOUND`. */
  async look(sessionId: string): Promise<Session> {
    return this.#options.announcer.view(await this.find(sessionId));
  }

  /** As it is stored, where the hot state cannot be asked: for who looks on and decides nothing by it. As `look`. */
  async lookOn(sessionId: string): Promise<Session> {
    return this.#options.announcer.view(await this.#findStored(sessionId));
  }

  /**
   * `search`: those whose id, or a name in them, begins with it. Throws `INVALID_PAYLOAD` for a cursor of another list.
   */
  async list(status: SessionStatus | null, page: PageRequest, search: string | null = null): Promise<Page<Session>> {
    const { durable, now } = this.#options;
    await this.#options.archiveChanges?.();
    // One that has changed since it was stored is in another list by now.
    const isTold = ({ document }: SessionSnapshot) => status === null || statusOf(document) === status;
    const stored =
      search === null
        ? await durable.listSessions(status, page, now())
        : await durable.searchSessions(search, status, page, now());
    return this.#current(stored, isTold);
  }

  /** Who took part and does not any more, the last first. Throws `SESSION_NOT_FOUND`. */
  async left(sessionId: string): Promise<StoredLeftSeat[]> {
    await this.#findStored(sessionId);
    await this.#options.archiveChanges?.();
    return this.#options.durable.leftSeats(sessionId);
  }

  /** What happened to the session, newest first. Throws `SESSION_NOT_FOUND`, `INVALID_PAYLOAD` for a cursor of another list. */
  async timeline(sessionId: string, page: PageRequest): Promise<Page<TimelineEntry>> {
    await this.#findStored(sessionId);
    await this.#options.archiveChanges?.();
    return this.#options.durable.sessionEvents(sessionId, page);
  }

  /** Those in which the user has a seat or had one. Those that the user was kicked from are left out: a page may be short. */
  async listOfUser(userId: string, page: PageRequest): Promise<Page<Session>> {
    const { durable, now } = this.#options;
    await this.#options.archiveChanges?.();
    const isTold = ({ document }: SessionSnapshot) => !isKicked(document, userId);
    return this.#current(await durable.sessionsOfUser(userId, page, now()), isTold);
  }

  /** All of it. Throws `SESSION_NOT_FOUND`. */
  async messages(sessionId: string, range: LogRange): Promise<HistoryPage> {
    return this.#read(sessionId, 0, range);
  }

  /**
   * What a user who takes part may see, as `message:history` shows it; or who took part, up to the moment of leaving.
   * Throws `SESSION_NOT_FOUND`, and `FORBIDDEN` for who was kicked.
   */
  async messagesFor(userId: string, sessionId: string, range: LogRange): Promise<HistoryPage> {
    const { document } = await this.find(sessionId);
    if (isKicked(document, userId)) throw refused('kicked');
    const held = document.seats.filter((seat) => seat.userId === userId).map(({ joinedSeq }) => joinedSeq);
    const floorOf = (joinedSeq: number) => (document.shareHistory ? 0 : joinedSeq);
    if (held.length > 0) return this.#read(sessionId, floorOf(Math.min(...held)), range);
    const seats = await this.#options.durable.seatsOfUser(sessionId, userId);
    if (seats.some(({ left }) => left?.reason === 'kicked')) throw refused('kicked');
    // The last stay alone, as who came back sees it too: what was said in between was for others.
    const [last] = seats;
    if (last === undefined) throw refused('no_such_session');
    if (last.left === null) {
      throw new TandemError('UNAVAILABLE', 'This seat was left a moment ago: ask again.', { retryAfterMs: 500 });
    }
    const ceilingSeq = last.left.seq;
    const before = 'beforeSeq' in range ? { ...range, beforeSeq: Math.min(range.beforeSeq, ceilingSeq + 1) } : range;
    return endingAt(await this.#read(sessionId, floorOf(last.joinedSeq), before), ceilingSeq, range);
  }

  async #read(sessionId: string, floorSeq: number, range: LogRange): Promise<HistoryPage> {
    const page = await this.#options.history.read({ sessionId, floorSeq, range });
    if (page === null) throw refused('no_such_session');
    return page;
  }

  /** Also one that is closed for long. Throws `SESSION_NOT_FOUND`. */
  async find(sessionId: string): Promise<SessionSnapshot> {
    return (await this.#options.state.read(sessionId)) ?? this.#load(sessionId);
  }

  async #findStored(sessionId: string): Promise<SessionSnapshot> {
    return (await readIfUp(this.#options.state, sessionId)) ?? this.#load(sessionId);
  }

  async #load(sessionId: string): Promise<SessionSnapshot> {
    const { durable, now } = this.#options;
    const stored = await durable.loadSession(sessionId, now());
    if (stored === null) throw refused('no_such_session');
    return archived(stored);
  }

  /** Of those that are open, what is stored may be a moment old. */
  async #current(
    { items, nextCursor }: Page<StoredSession>,
    isTold: (snapshot: SessionSnapshot) => boolean = () => true,
  ): Promise<Page<Session>> {
    const { state, announcer } = this.#options;
    const snapshots = await Promise.all(
      items.map(async (stored) =>
        stored.document.closed === null
          ? ((await readIfUp(state, stored.document.id)) ?? archived(stored))
          : archived(stored),
      ),
    );
    return { items: snapshots.filter(isTold).map((snapshot) => announcer.view(snapshot)), nextCursor };
  }
}

/** A list is better a moment old than not at all. */
async function readIfUp(state: Pick<SessionState, 'read'>, sessionId: string): Promise<SessionSnapshot | null> {
  try {
    return await state.read(sessionId);
  } catch (error) {
    if (error instanceof TandemError && error.code === 'UNAVAILABLE') return null;
    throw error;
  }
}

function archived({ document, lastSeq, lastActivityAt, receipts }: StoredSession): SessionSnapshot {
  return { document, lastSeq, durableSeq: lastSeq, lastActivityAt, receipts, activity: new Map() };
}

/** As if nothing had followed. */
function endingAt(page: HistoryPage, ceilingSeq: number, range: LogRange): HistoryPage {
  const messages = page.messages.filter(({ seq }) => seq <= ceilingSeq);
  const isBelow = 'beforeSeq' in range || (messages.at(-1)?.seq ?? ceilingSeq) < ceilingSeq;
  const lastSeq = Math.min(page.lastSeq, ceilingSeq);
  return {
    ...page,
    messages,
    hasMore: page.hasMore && isBelow,
    lastSeq,
    durableSeq: Math.min(page.durableSeq, lastSeq),
  };
}
