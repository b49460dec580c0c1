import { TandemError } from '../../protocol/errors.ts';
import type { HistoryOptions, HistoryPage } from '../../client/index.ts';
import { sayingOf, unreadableSaying } from './saying.ts';
import type { Page, PageRequest, Transcript } from './transcript.ts';

export type Direction = 'older' | 'newer';

export type LoadState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'loading' }
  /** `retryAt`: when it is tried again by itself, on the loader's clock; null: it would be refused again. */
  | { readonly kind: 'failed'; readonly error: TandemError; readonly retryAt: number | null };

export interface HistorySource {
  history: (options?: HistoryOptions) => Promise<HistoryPage>;
  readonly participantId: string;
}

const PAGE_MESSAGES = 50;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;
const IDLE: LoadState = { kind: 'idle' };

/** Brings pages of history into a transcript, one in each direction at a time. */
export class HistoryLoader {
  private readonly source: HistorySource;
  private readonly transcript: Transcript;
  private readonly changed: () => void;
  private readonly now: () => number;
  private readonly gone = new AbortController();
  private readonly states: Record<Direction, LoadState> = { older: IDLE, newer: IDLE };
  private readonly failures: Record<Direction, number> = { older: 0, newer: 0 };

  constructor(source: HistorySource, transcript: Transcript, changed: () => void, now: () => number) {
    this.source = source;
    this.transcript = transcript;
    this.changed = changed;
    this.now = now;
  }

  state(direction: Direction): LoadState {
    return this.states[direction];
  }

  /** Loads, unless that is under way, or has failed and is not due again. */
  want(direction: Direction): void {
    const state = this.states[direction];
    if (state.kind === 'loading' || (state.kind === 'failed' && !this.isDue(state.retryAt))) return;
    this.retry(direction);
  }

  /** As `want`, by the reader's own hand. */
  retry(direction: Direction): void {
    const request = this.transcript.request(direction);
    if (this.gone.signal.aborted || this.states[direction].kind === 'loading' || request === null) return;
    this.states[direction] = { kind: 'loading' };
    this.changed();
    void this.load(direction, request);
  }

  /** Something came from the server: what failed for want of a connection can be had now. */
  nudge(): void {
    for (const direction of ['older', 'newer'] as const) {
      const state = this.states[direction];
      if (state.kind !== 'failed' || state.error.code !== 'UNAVAILABLE') continue;
      this.states[direction] = { ...state, retryAt: this.now() };
    }
  }

  /** Tries again what is due. */
  tick(): void {
    for (const direction of ['older', 'newer'] as const) {
      if (this.states[direction].kind === 'failed') this.want(direction);
    }
  }

  stop(): void {
    this.gone.abort();
  }

  private async load(direction: Direction, request: PageRequest): Promise<void> {
    const { signal } = this.gone;
    const outcome = await this.ask(request, signal);
    if (signal.aborted) return;
    if (outcome instanceof TandemError) {
      this.failures[direction] += 1;
      this.states[direction] = { kind: 'failed', error: outcome, retryAt: this.retryAt(direction, outcome) };
    } else {
      this.failures[direction] = 0;
      this.states[direction] = IDLE;
      // Something else took its place meanwhile, a reset for one.
      if (!this.transcript.addPage(request, outcome)) this.want(direction);
    }
    this.changed();
  }

  private async ask({ kind, edge }: PageRequest, signal: AbortSignal): Promise<Page | TandemError> {
    const where = edge === null ? {} : kind === 'older' ? { beforeSeq: edge } : { afterSeq: edge };
    try {
      const page = await this.source.history({ ...where, limit: PAGE_MESSAGES, signal });
      return pageOf(page, this.source.participantId);
    } catch (error) {
      return error instanceof TandemError ? error : new TandemError('INTERNAL', undefined, { cause: error });
    }
  }

  private retryAt(direction: Direction, error: TandemError): number | null {
    if (!error.retryable) return null;
    const backoffMs = Math.min(FIRST_RETRY_MS * 2 ** (this.failures[direction] - 1), LONGEST_RETRY_MS);
    return this.now() + Math.max(backoffMs, error.retryAfterMs ?? 0);
  }

  private isDue(retryAt: number | null): boolean {
    return retryAt !== null && this.now() >= retryAt;
  }
}

function pageOf({ messages, undecipherable, hasMore }: HistoryPage, self: string): Page {
  const sayings = [...messages.map(sayingOf), ...undecipherable.map((entry) => unreadableSaying(entry, self))];
  return { sayings: sayings.sort((a, b) => a.seq - b.seq), hasMore };
}
