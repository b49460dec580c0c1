import type { Message } from '../protocol/session.ts';

/** How far the application has got: everything up to `lastSeq` was handed out, or told as missing. */
export interface Position {
  epoch: number;
  lastSeq: number;
  /** `id` of the message with `lastSeq`; null when there is none, or when that seq was told as missing. */
  lastId: string | null;
  /** Highest durableSeq that the server told. */
  durableSeq: number;
}

/** A run of messages that no longer exist anywhere, both ends included. */
export interface Gap {
  fromSeq: number;
  toSeq: number;
}

export type InboxItem = { kind: 'message'; message: Message } | { kind: 'gap'; gap: Gap };

/**
 * Most messages that are held for their turn. What does not fit is read again from the server's history when there is
 * room: an application that hands nothing on, or a hole that lasts, costs no memory beyond this.
 */
export const INBOX_CAPACITY = 1_000;

/**
 * Brings what arrives late, twice or out of order into one sequence: each seq once, ascending, and nothing handed out
 * while something before it is neither here nor known to be gone.
 */
export class Inbox {
  readonly position: Position;

  readonly #held = new Map<number, Message>();
  /** Ascending, apart, all above `position.lastSeq`. */
  #gone: Gap[] = [];
  #head = 0;

  constructor(position: Position) {
    this.position = { ...position };
    this.#head = position.lastSeq;
  }

  /** Highest seq up to which everything was handed out, is held, or is known to be gone. */
  get settled(): number {
    let seq = this.position.lastSeq;
    for (;;) {
      const gap = this.#gapAt(seq + 1);
      if (gap !== undefined) seq = gap.toSeq;
      else if (this.#held.has(seq + 1)) seq += 1;
      else return seq;
    }
  }

  /** Whether messages are known to exist that are missing here. */
  get isBehind(): boolean {
    return this.#head > this.settled;
  }

  get hasRoom(): boolean {
    return this.#held.size < INBOX_CAPACITY;
  }

  /** The session's head is at least `seq`. */
  noteHead(seq: number): void {
    this.#head = Math.max(this.#head, seq);
  }

  noteDurable(durableSeq: number): void {
    this.position.durableSeq = Math.max(this.position.durableSeq, durableSeq);
  }

  /** Messages up to `seq` are not this participant's to see (they are older than its seat). */
  skipTo(seq: number): void {
    if (seq <= this.position.lastSeq) return;
    this.#moveTo(seq, null);
  }

  /** False when this is another message than the one handed out last, or held, under its seq: the store has changed. */
  add(message: Message): boolean {
    const { lastSeq, lastId } = this.position;
    const { seq } = message;
    if (seq <= lastSeq) return seq < lastSeq || lastId === null || lastId === message.id;
    if ((this.#held.get(seq)?.id ?? message.id) !== message.id) return false;
    this.noteHead(seq);
    // It exists after all: the one who said that it is gone was behind.
    this.#gone = this.#gone.flatMap((gap) => without(gap, seq));
    // The next one always fits: without it nothing could be handed out, and no room would ever come.
    if (!this.hasRoom && seq > lastSeq + 1) return true;
    this.#held.set(seq, message);
    return true;
  }

  /** These messages do not exist any more, those held here excepted. */
  noteGap({ fromSeq, toSeq }: Gap): void {
    this.noteHead(toSeq);
    let from = Math.max(fromSeq, this.position.lastSeq + 1);
    const known = [...this.#held.keys()].filter((seq) => seq >= from && seq <= toSeq).sort((a, b) => a - b);
    const runs: Gap[] = [];
    for (const seq of [...known, toSeq + 1]) {
      if (seq > from) runs.push({ fromSeq: from, toSeq: seq - 1 });
      from = seq + 1;
    }
    this.#gone = merged([...this.#gone, ...runs]);
  }

  /**
   * Takes in a page of history that was asked for with `afterSeq`. The server tells all that exists from there up to
   * `upToSeq`, so what the page lacks is gone. False as with `add`.
   */
  addPage(afterSeq: number, messages: readonly Message[], upToSeq: number): boolean {
    const isSame = messages.map((message) => this.add(message)).every(Boolean);
    // Gone is what the page does not have, not what had no room here.
    let from = afterSeq + 1;
    const seqs = messages.map(({ seq }) => seq).sort((a, b) => a - b);
    for (const seq of [...seqs, upToSeq + 1]) {
      if (seq > from) this.noteGap({ fromSeq: from, toSeq: Math.min(seq - 1, upToSeq) });
      from = Math.max(from, seq + 1);
    }
    return isSame;
  }

  /** What is to be handed out next; the same until `take`. */
  peek(): InboxItem | null {
    const seq = this.position.lastSeq + 1;
    const message = this.#held.get(seq);
    if (message !== undefined) return { kind: 'message', message };
    const gap = this.#gapAt(seq);
    return gap === undefined ? null : { kind: 'gap', gap };
  }

  /** The next item was handed out. */
  take(item: InboxItem): void {
    if (item.kind === 'message') this.#moveTo(item.message.seq, item.message.id);
    else this.#moveTo(item.gap.toSeq, null);
  }

  /** The store has lost or changed what is above `seq`, or may have: it is told anew. */
  rewind(seq: number, epoch: number): void {
    for (const held of [...this.#held.keys()]) if (held > seq) this.#held.delete(held);
    this.#gone = this.#gone.flatMap((gap) =>
      gap.fromSeq > seq ? [] : [{ fromSeq: gap.fromSeq, toSeq: Math.min(gap.toSeq, seq) }],
    );
    const { position } = this;
    if (seq < position.lastSeq) Object.assign(position, { lastSeq: seq, lastId: null });
    position.durableSeq = Math.min(position.durableSeq, seq);
    position.epoch = epoch;
    this.#head = Math.max(seq, position.lastSeq);
  }

  #gapAt(seq: number): Gap | undefined {
    return this.#gone.find(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);
  }

  #moveTo(seq: number, id: string | null): void {
    Object.assign(this.position, { lastSeq: seq, lastId: id });
    if (!this.#held.delete(seq)) for (const held of [...this.#held.keys()]) if (held < seq) this.#held.delete(held);
    this.#gone = this.#gone.flatMap((gap) =>
      gap.toSeq <= seq ? [] : [{ fromSeq: Math.max(gap.fromSeq, seq + 1), toSeq: gap.toSeq }],
    );
    this.noteHead(seq);
  }
}

function without(gap: Gap, seq: number): Gap[] {
  if (seq < gap.fromSeq || seq > gap.toSeq) return [gap];
  const parts: Gap[] = [];
  if (gap.fromSeq < seq) parts.push({ fromSeq: gap.fromSeq, toSeq: seq - 1 });
  if (seq < gap.toSeq) parts.push({ fromSeq: seq + 1, toSeq: gap.toSeq });
  return parts;
}

/** Ascending and apart. */
function merged(gaps: readonly Gap[]): Gap[] {
  const result: Gap[] = [];
  for (const gap of [...gaps].sort((a, b) => a.fromSeq - b.fromSeq)) {
    const last = result.at(-1);
    if (last !== undefined && gap.fromSeq <= last.toSeq + 1) last.toSeq = Math.max(last.toSeq, gap.toSeq);
    else result.push({ ...gap });
  }
  return result;
}
