import type { JsonValue, LeaveReason } from '../../protocol/session.ts';
import type { FailedMessage, QueuedMessage, SentMessage, UndecipherableReason } from '../../client/index.ts';
import { SeqRanges } from './seq-ranges.ts';
import type { SeqRange } from './seq-ranges.ts';

/** A message that has its place in the order. */
export interface Saying {
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly type: string;
  readonly body: JsonValue;
  readonly sentAt: string;
  readonly isOwn: boolean;
  /** Why it cannot be read; null when it can. Then `body` is not what somebody wrote. */
  readonly unreadable: UndecipherableReason | null;
}

/** Something that happened between messages, shown after the message with `afterSeq`. */
export interface Note {
  readonly number: number;
  readonly afterSeq: number;
  readonly text: NoteText;
}
export type NoteText =
  | { readonly kind: 'joined'; readonly name: string | null }
  | { readonly kind: 'left'; readonly name: string | null; readonly reason: LeaveReason }
  | { readonly kind: 'now_host' }
  | { readonly kind: 'taken_back'; readonly own: number; readonly others: number };

/** An own message that is stored, while others before it are still on their way here. */
export interface StoredMessage {
  readonly message: QueuedMessage;
  readonly sentAt: string;
}

/** Which page of history is wanted. What has changed meanwhile decides whether the answer still fits. */
export interface PageRequest {
  readonly kind: 'newest' | 'older' | 'newer';
  readonly generation: number;
  /** The held seq that the page joins on to; null for the newest. */
  readonly edge: number | null;
}
export interface Page {
  /** Ascending by `seq`. */
  readonly sayings: readonly Saying[];
  readonly hasMore: boolean;
}

/** Most messages that are held; beyond it those farthest from the reader go, and are fetched again when wanted. */
export const TRANSCRIPT_CAPACITY = 2_000;
/** This part of them goes at a time, so that not every message that comes costs one at the other end. */
const TRIMMED_PART = 1 / 20;
const NOTES_CAPACITY = 200;
/** As many as a queue holds: the end of a seat fails all of them at once. */
const FAILED_CAPACITY = 1_000;

/**
 * What the reader of a conversation may see: a window over the messages, each once and in order, what happened between
 * them, and what is still on its way out. The window joins on to the newest message unless `hasNewer`.
 */
export class Transcript {
  private readonly bySeq = new Map<number, Saying>();
  private readonly ownSeqs = new Map<string, number>();
  private sorted: readonly Saying[] | null = [];
  private readonly gone = new SeqRanges();
  private allNotes: readonly Note[] = [];
  private noteCount = 0;
  private queued: readonly QueuedMessage[] = [];
  private readonly settling = new Map<string, StoredMessage>();
  private failures: readonly FailedMessage[] = [];
  private readonly capacity: number;
  private generation = 0;
  private head: number;

  /** Grows with every change. */
  version = 0;
  /** Whether the newest page has been here: until then it is not known what there was before. */
  isStarted = false;
  hasOlder = true;
  hasNewer = false;
  /** Messages of others that came while the reader was elsewhere. */
  unseen = 0;
  /** Set by whoever shows it: the reader is not at the end, so that it is the end that may be let go. */
  isReadingBack = false;

  /** `lastSeq`: highest seq that was handed out before, as after a reload. */
  constructor(lastSeq = 0, capacity = TRANSCRIPT_CAPACITY) {
    this.head = lastSeq;
    this.capacity = capacity;
  }

  get sayings(): readonly Saying[] {
    this.sorted ??= [...this.bySeq.values()].sort((a, b) => a.seq - b.seq);
    return this.sorted;
  }

  /** 0 when nothing is held. */
  get lowest(): number {
    return this.sayings[0]?.seq ?? 0;
  }

  get highest(): number {
    return this.sayings.at(-1)?.seq ?? 0;
  }

  /** Messages that no longer exist, as far as they belong to what is held. */
  get missing(): readonly SeqRange[] {
    return this.gone.all.filter(({ fromSeq, toSeq }) => this.isInside(fromSeq, toSeq));
  }

  get notes(): readonly Note[] {
    return this.allNotes.filter(({ afterSeq }) => this.isInside(afterSeq, afterSeq + 1));
  }

  get failed(): readonly FailedMessage[] {
    return this.hasNewer ? [] : this.failures;
  }

  /** Own messages that are stored, but whose turn has not come here. */
  get stored(): readonly StoredMessage[] {
    return this.hasNewer ? [] : [...this.settling.values()];
  }

  get queue(): readonly QueuedMessage[] {
    // After a reload the server may have told of a message before its acknowledgement.
    return this.hasNewer ? [] : this.queued.filter(({ id }) => !this.ownSeqs.has(id));
  }

  /** The next message in the order was handed out. True when it is a new one at the end. */
  receive(saying: Saying): boolean {
    this.version += 1;
    const { seq } = saying;
    const isNew = seq > this.head;
    this.head = Math.max(this.head, seq);
    if (saying.isOwn) this.settle(saying.id);
    else if (isNew && this.isReadingBack) this.unseen += 1;
    const isHeldLater = (this.hasNewer && seq > this.highest) || (this.hasOlder && seq < this.lowest);
    if (!isHeldLater) this.hold(saying);
    this.trim(this.isReadingBack ? 'end' : 'start');
    return isNew;
  }

  /** These messages no longer exist anywhere. */
  lose({ fromSeq, toSeq }: SeqRange): void {
    this.version += 1;
    this.head = Math.max(this.head, toSeq);
    this.gone.add({ fromSeq, toSeq });
    for (const { seq } of this.sayings) if (seq >= fromSeq && seq <= toSeq) this.gone.remove(seq);
  }

  /** Everything above `afterSeq` is void; what is there now follows. Gives the note that says so. */
  reset(afterSeq: number): NoteText {
    this.version += 1;
    this.generation += 1;
    const dropped = this.sayings.filter(({ seq }) => seq > afterSeq);
    if (afterSeq <= this.highest) this.hasNewer = false;
    for (const saying of dropped) this.letGo(saying);
    if (this.bySeq.size === 0) this.startAnew();
    this.settling.clear();
    this.gone.removeAbove(afterSeq);
    this.head = Math.min(this.head, afterSeq);
    this.unseen = 0;
    this.allNotes = this.allNotes.map((note) => ({ ...note, afterSeq: Math.min(note.afterSeq, afterSeq) }));
    const own = dropped.filter(({ isOwn }) => isOwn).length;
    const text = { kind: 'taken_back', own, others: dropped.length - own } as const;
    this.note(text);
    return text;
  }

  note(text: NoteText): void {
    this.version += 1;
    this.noteCount += 1;
    const note = { number: this.noteCount, afterSeq: this.head, text };
    this.allNotes = [...this.allNotes, note].slice(-NOTES_CAPACITY);
  }

  setQueue(queue: readonly QueuedMessage[]): void {
    this.version += 1;
    this.queued = [...queue];
    // The store has lost it: it waits again.
    for (const { id } of queue) this.settling.delete(id);
  }

  /** An own message is stored. To be called before the queue without it is set. */
  store({ id, sentAt }: SentMessage): void {
    this.version += 1;
    const message = this.queued.find((entry) => entry.id === id);
    this.queued = this.queued.filter((entry) => entry.id !== id);
    if (message !== undefined && !this.ownSeqs.has(id)) this.settling.set(id, { message, sentAt });
  }

  fail(failed: FailedMessage): void {
    this.version += 1;
    this.queued = this.queued.filter(({ id }) => id !== failed.id);
    const others = this.failures.filter(({ id }) => id !== failed.id);
    this.failures = [...others, failed].slice(-FAILED_CAPACITY);
  }

  dropFailed(id: string): void {
    this.version += 1;
    this.failures = this.failures.filter((failed) => failed.id !== id);
  }

  /** The reader has seen the end. */
  see(): void {
    if (this.unseen > 0) this.version += 1;
    this.unseen = 0;
  }

  /** The reader wants the newest. What is held does not reach there: it starts anew. */
  restart(): void {
    if (!this.hasNewer) return;
    this.version += 1;
    this.generation += 1;
    for (const saying of this.sayings) this.letGo(saying);
    this.startAnew();
  }

  /** What to ask history for; null when there is nothing in that direction. */
  request(direction: 'older' | 'newer'): PageRequest | null {
    const { generation } = this;
    if (!this.isStarted) return { kind: 'newest', generation, edge: null };
    if (direction === 'older') return this.hasOlder ? { kind: 'older', generation, edge: this.lowest } : null;
    return this.hasNewer ? { kind: 'newer', generation, edge: this.highest } : null;
  }

  /** Takes in the answer; false when it no longer fits, and has to be asked for again. */
  addPage(request: PageRequest, { sayings, hasMore }: Page): boolean {
    if (!this.isCurrent(request)) return false;
    this.version += 1;
    const { kind, edge } = request;
    this.loseBetween([...sayings.map(({ seq }) => seq), ...(edge === null ? [] : [edge])]);
    for (const saying of sayings) {
      this.head = Math.max(this.head, saying.seq);
      if (saying.isOwn) this.settle(saying.id);
      this.hold(saying);
    }
    if (kind === 'newer') this.hasNewer = hasMore || this.highest < this.head;
    else this.hasOlder = hasMore;
    this.isStarted = true;
    this.trim(kind === 'older' ? 'end' : 'start');
    return true;
  }

  /** Nothing is held, and what there is has to be asked for. */
  private startAnew(): void {
    this.isStarted = false;
    this.hasOlder = true;
    this.hasNewer = false;
  }

  private isCurrent({ kind, generation, edge }: PageRequest): boolean {
    if (generation !== this.generation) return false;
    return kind === 'newest' || edge === (kind === 'older' ? this.lowest : this.highest);
  }

  /** A page tells all that exists between its ends, so what it lacks there is gone. */
  private loseBetween(seqs: readonly number[]): void {
    const known = [...seqs].sort((a, b) => a - b);
    known.forEach((seq, index) => {
      const before = known[index - 1];
      if (before !== undefined && seq > before + 1) this.lose({ fromSeq: before + 1, toSeq: seq - 1 });
    });
  }

  private hold(saying: Saying): void {
    if (this.bySeq.has(saying.seq)) return;
    this.bySeq.set(saying.seq, saying);
    if (saying.isOwn) this.ownSeqs.set(saying.id, saying.seq);
    this.gone.remove(saying.seq);
    this.sorted = null;
  }

  private letGo(saying: Saying): void {
    this.bySeq.delete(saying.seq);
    if (saying.isOwn) this.ownSeqs.delete(saying.id);
    this.sorted = null;
  }

  /** An own message has come back: it is neither on its way nor failed. */
  private settle(id: string): void {
    this.settling.delete(id);
    this.queued = this.queued.filter((entry) => entry.id !== id);
    this.failures = this.failures.filter((failed) => failed.id !== id);
  }

  private trim(side: 'start' | 'end'): void {
    if (this.bySeq.size <= this.capacity) return;
    const count = this.bySeq.size - this.capacity + Math.ceil(this.capacity * TRIMMED_PART);
    const far = side === 'start' ? this.sayings.slice(0, count) : this.sayings.slice(-count);
    for (const saying of far) this.letGo(saying);
    if (side === 'start') {
      this.hasOlder = true;
      return;
    }
    this.hasNewer = true;
    // The newest page, which may be on its way, would no longer join on.
    if (!this.isStarted) this.generation += 1;
    this.isStarted = true;
  }

  private isInside(fromSeq: number, toSeq: number): boolean {
    if (this.bySeq.size === 0) return !this.hasNewer;
    return (!this.hasOlder || toSeq >= this.lowest) && (!this.hasNewer || fromSeq <= this.highest);
  }
}
