import { TandemError } from '../../protocol/errors.ts';
import type { Identity } from './identity.ts';
import { createPoll, type Poll } from './poll.ts';
import type { AccountStore, Revocation, RevocationFeed } from './ports.ts';
import { RevocationCopy } from './revocation-copy.ts';
import { StoreTurn } from './store-turn.ts';
import { UnrecordedRevocations } from './unrecorded-revocations.ts';

/** Contract: a revoked token works for 5 s at most when nothing is pushed. A reading and its deadline fit into that. */
const FRESH_MS = 5000;
const STORE_POLL_MS = 3500;
const FEED_POLL_MS = 1500;
const PENDING_POLL_MS = 1000;
/** After a failure: before what is known is too old. */
const RETRY_MS = 500;
const EXPIRE_MS = 60_000;
const PAGE = 5000;
const MOST_PENDING = 1000;

export interface RevocationsOptions {
  readonly store: Pick<AccountStore, 'revoke' | 'revocations'>;
  readonly feed: RevocationFeed;
  readonly now: () => number;
  /** Milliseconds that only grow. */
  readonly monotonic?: () => number;
  /** Entries of the local copy. */
  readonly mostEntries?: number;
  /** The durable store began to fail, or works again after that. */
  readonly onStoreTurn?: (isWell: boolean, error?: unknown) => void;
  /** Anything else that failed: the feed, each time that it was asked, or a listener. */
  readonly onFault: (error: unknown, source: 'feed' | 'listener') => void;
  /** Told of each that is made here, and of none that others made. */
  readonly onMade?: (revocation: Revocation) => void;
}

/** Accepted, kept by the feed, and not in the durable store so far. */
interface Pending {
  readonly revocations: readonly Revocation[];
  readonly write: () => Promise<unknown>;
}

/**
 * What is revoked, as this instance knows it. Checks look at the local copy alone; what keeps it is read from the durable
 * store, which is the record, and from the feed, which is quicker, and pushed by the feed besides. When neither could be
 * read for 5 s, nothing is accepted: a token that may be revoked is not let in.
 *
 * What was applied once stays until it expires, whatever the feed forgets. A feed that lost something counts for nothing
 * until the durable store was read after that.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #monotonic: () => number;
  readonly #copy: RevocationCopy;
  readonly #listeners = new Set<(revocations: readonly Revocation[]) => void>();
  readonly #pending = new Set<Pending>();
  /** Stored, while the feed did not answer: others would go by it as soon as it does, and by it alone if they have to. */
  readonly #unpublished = new Set<readonly Revocation[]>();
  readonly #unrecorded = new UnrecordedRevocations();
  readonly #polls: readonly Poll[];
  #storeSince: number | null = null;
  #feedSince: number | null = null;
  #feedEpoch: string | null = null;
  /** The epoch of the feed that the last reading of the durable store came after. */
  #coveredEpoch: string | null = null;
  #storeTurn: Promise<void> = Promise.resolve();
  readonly #store: StoreTurn;
  #storeReadAt = -Infinity;
  #feedReadAt = -Infinity;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#copy = new RevocationCopy(options.mostEntries);
    this.#store = new StoreTurn(options.onStoreTurn ?? (() => undefined));
    const poll = (intervalMs: number, round: () => Promise<void> | void) =>
      // What failed is told where it failed: only there is known of what.
      createPoll({ intervalMs, retryMs: Math.min(RETRY_MS, intervalMs), round, onError: () => undefined });
    this.#polls = [
      poll(STORE_POLL_MS, () => this.readStore()),
      poll(FEED_POLL_MS, () => this.readFeed()),
      poll(PENDING_POLL_MS, () => this.writePending()),
      poll(EXPIRE_MS, () => this.#copy.expire(options.now())),
    ];
    options.feed.onPublished((revocations) => this.#heard(revocations));
  }

  /** Resolves when all that counts is known. */
  async start(): Promise<void> {
    await this.readFeed().catch(() => undefined);
    // The feed alone does not do here: nobody knows what it has lost before.
    if (this.#storeReadAt === -Infinity) await this.readStore();
    for (const poll of this.#polls) poll.start();
  }

  /** What waits for the durable store is tried once more. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all(this.#polls.map((poll) => poll.stop()));
    await this.writePending().catch(() => undefined);
  }

  isRevoked(identity: Identity): boolean {
    return this.#copy.isRevoked(identity);
  }

  /**
   * The same for what stands on the identity already: a connection goes on where its token would only have to be
   * refreshed, because there were more revocations than this instance remembers.
   */
  isNamed(identity: Identity): boolean {
    return this.#copy.isNamed(identity);
  }

  /** Whether a login of our own has ended, though the durable store may not know it yet. */
  isLoginRevoked(loginId: string, userId: string): boolean {
    return this.#copy.isLoginRevoked(loginId, userId);
  }

  /** Throws `UNAVAILABLE` when revocations of the last 5 s may be unknown here. */
  ensureFresh(): void {
    const now = this.#monotonic();
    if (now - this.#storeReadAt <= FRESH_MS) return;
    if (now - this.#feedReadAt <= FRESH_MS && this.#feedEpoch === this.#coveredEpoch) return;
    throw new TandemError('UNAVAILABLE', 'Whether this token is revoked cannot be told now: try again.', {
      retryAfterMs: RETRY_MS,
    });
  }

  /** How many count now. */
  get activeCount(): number {
    return this.#copy.size;
  }

  /** Told once of what is new here, whoever revoked it: what stands on these tokens has to end. */
  onRevoked(listener: (revocations: readonly Revocation[]) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Counts here at once, and everywhere within a second. `write` stores them in the durable store, alone or with what
   * belongs to them; it may be repeated. Resolves when they are stored, or `kept` by the feed and stored later. Rejects
   * with `UNAVAILABLE` when they are nowhere but here.
   */
  async revoke(
    revocations: readonly Revocation[],
    write: () => Promise<unknown> = () => this.#options.store.revoke(revocations),
  ): Promise<'stored' | 'kept'> {
    this.#apply(revocations);
    this.#tellMade(revocations);
    const [stored, published] = await Promise.allSettled([write(), this.#options.feed.publish(revocations)]);
    if (stored.status === 'fulfilled') {
      if (published.status === 'rejected') this.#notPublished(revocations, published.reason);
      return 'stored';
    }
    this.#store.failed('write', stored.reason);
    if (this.#pending.size >= MOST_PENDING) {
      const detail = 'Too many revocations wait for the database: repeat this one later.';
      throw new TandemError('UNAVAILABLE', detail, { cause: stored.reason });
    }
    this.#pending.add({ revocations, write });
    if (published.status === 'fulfilled' && published.value) return 'kept';
    throw new TandemError('UNAVAILABLE', 'The revocation could not be stored: repeat it.', { cause: stored.reason });
  }

  /** They are in the durable store: counts here at once, and everywhere within a second, or 5 s without the feed. */
  async announce(revocations: readonly Revocation[]): Promise<void> {
    if (revocations.length === 0) return;
    this.#apply(revocations);
    this.#tellMade(revocations);
    await this.#publish(revocations);
  }

  /** Kept by the feed, and to be kept for longer: until the durable store has heard of it. */
  async extend(revocations: readonly Revocation[]): Promise<void> {
    this.#apply(revocations);
    await this.#publish(revocations);
  }

  /** Whom this does not reach reads the durable store. */
  async #publish(revocations: readonly Revocation[]): Promise<void> {
    await this.#options.feed.publish(revocations).catch((error: unknown) => this.#notPublished(revocations, error));
  }

  #notPublished(revocations: readonly Revocation[], error: unknown): void {
    this.#options.onFault(error, 'feed');
    if (this.#unpublished.size < MOST_PENDING) this.#unpublished.add(revocations);
  }

  /** A round of its poll. Readings take turns: what one learns is where the next one begins. */
  readStore(): Promise<void> {
    const turn = this.#storeTurn.then(() => this.#readStoreNow());
    this.#storeTurn = turn.catch(() => undefined);
    return turn;
  }

  async #readStoreNow(): Promise<void> {
    try {
      await this.#readPages();
    } catch (error) {
      this.#store.failed('read', error);
      throw error;
    }
    this.#store.works('read');
  }

  async #readPages(): Promise<void> {
    const epoch = this.#feedEpoch;
    const startedAt = this.#monotonic();
    for (let more = true; more;) {
      const page = await this.#options.store.revocations(this.#storeSince, PAGE);
      this.#apply(page.revocations);
      this.#unrecorded.confirm(page.revocations);
      if (page.more && page.asOf === this.#storeSince) throw new RangeError('Revocations do not end where they began');
      this.#storeSince = page.asOf;
      more = page.more;
    }
    this.#storeReadAt = startedAt;
    this.#coveredEpoch = epoch;
    await this.#record(startedAt);
  }

  /** Whoever took them may be gone, and the feed may lose what it holds. */
  async #record(at: number): Promise<void> {
    const due = this.#unrecorded.due(at, this.#options.now());
    if (due.length === 0) return;
    await this.#options.store.revoke(due);
    this.#unrecorded.confirm(due);
  }

  /** A round of its poll. */
  async readFeed(): Promise<void> {
    try {
      await this.#readFeedNow();
    } catch (error) {
      this.#options.onFault(error, 'feed');
      throw error;
    }
    if (this.#feedEpoch !== this.#coveredEpoch) await this.readStore();
  }

  async #readFeedNow(): Promise<void> {
    const startedAt = this.#monotonic();
    for (const revocations of this.#unpublished) {
      await this.#options.feed.publish(revocations);
      this.#unpublished.delete(revocations);
    }
    let reading = await this.#options.feed.changes(this.#feedSince);
    if (reading.epoch !== this.#feedEpoch) {
      const isFirst = this.#feedEpoch === null;
      if (!isFirst) reading = await this.#options.feed.changes(null);
      // What nobody else has by now.
      for (const { revocations } of this.#pending) await this.#options.feed.publish(revocations);
      this.#feedEpoch = reading.epoch;
    }
    this.#heard(reading.revocations);
    this.#feedSince = reading.asOf;
    this.#feedReadAt = startedAt;
  }

  /** A round of its poll. */
  async writePending(): Promise<void> {
    let failure: Error | null = null;
    for (const pending of this.#pending) {
      try {
        // Also when no access token is left that it concerns: refresh tokens live for longer.
        await pending.write();
        this.#pending.delete(pending);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        // One that the database does not take keeps nobody else's from it; one that does not answer takes none.
        if (error instanceof TandemError && error.code === 'UNAVAILABLE') break;
      }
    }
    if (failure === null) {
      this.#store.works('write');
      return;
    }
    this.#store.failed('write', failure);
    throw failure;
  }

  #tellMade(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) this.#options.onMade?.(revocation);
  }

  /** From the feed. */
  #heard(revocations: readonly Revocation[]): void {
    this.#unrecorded.note(this.#apply(revocations), this.#monotonic());
    this.#unrecorded.extend(revocations);
  }

  /** Gives those that are news here. */
  #apply(revocations: readonly Revocation[]): readonly Revocation[] {
    const news = this.#copy.apply(revocations, this.#options.now());
    if (news.length === 0) return news;
    for (const listener of this.#listeners) {
      try {
        listener(news);
      } catch (error) {
        // Thrown on, it would end whoever pushed, and keep the others from hearing.
        this.#options.onFault(error, 'listener');
      }
    }
    return news;
  }
}
