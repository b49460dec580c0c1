import type { Message } from '../protocol/session.ts';

/** A run of messages that no longer exist anywhere, both ends included. */
export interface Gap {
  fromSeq: number;
  toSeq: number;
}

/**
 * The messages of one session as this page knows them: each once, in the order of `seq`, with what is missing known.
 * `lastSeq` is the highest seq up to which nothing is missing (held, or known to be gone), which is what a resume sends.
 */
export class MessageLog {
  private readonly bySeq = new Map<number, Message>();
  private lost: Gap[] = [];
  private settled = 0;
  private known = 0;
  /** Messages up to here are not shown any more, or never were to be: one that comes late is not taken in again. */
  private floor = 0;
  private sorted: readonly Message[] | null = [];

  get lastSeq(): number {
    return this.settled;
  }

  /** `id` of the message with `lastSeq`, when the page holds it. */
  get lastId(): string | undefined {
    return this.bySeq.get(this.settled)?.id;
  }

  /** Whether messages are known to exist that the page does not have. */
  get isBehind(): boolean {
    return this.settled < this.known;
  }

  get messages(): readonly Message[] {
    this.sorted ??= [...this.bySeq.values()].sort((a, b) => a.seq - b.seq);
    return this.sorted;
  }

  get gaps(): readonly Gap[] {
    return this.lost;
  }

  has(from: string, id: string): boolean {
    return this.messages.some((message) => message.id === id && message.from === from);
  }

  /** Messages up to `seq` are not this participant's to see (they are older than its seat). */
  startAfter(seq: number): void {
    this.floor = Math.max(this.floor, seq);
    if (seq > this.settled) this.advance(seq);
  }

  /** The session's head is at least `seq`. */
  noteHead(seq: number): void {
    this.known = Math.max(this.known, seq);
  }

  /** Takes a message in; false when it was known already. */
  add(message: Message): boolean {
    if (message.seq <= this.floor || this.bySeq.has(message.seq)) return false;
    this.bySeq.set(message.seq, message);
    this.sorted = null;
    this.lost = this.lost.flatMap((gap) => without(gap, message.seq));
    this.noteHead(message.seq);
    this.advance(this.settled);
    return true;
  }

  /** These messages no longer exist: whoever waits for them would wait for ever. */
  noteGap(gap: Gap): void {
    const from = Math.max(gap.fromSeq, this.settled + 1);
    const missing: Gap[] = [];
    for (let seq = from; seq <= gap.toSeq; seq++) {
      const last = missing.at(-1);
      if (this.bySeq.has(seq) || this.isGone(seq)) continue;
      if (last?.toSeq === seq - 1) last.toSeq = seq;
      else missing.push({ fromSeq: seq, toSeq: seq });
    }
    this.lost.push(...missing);
    this.noteHead(gap.toSeq);
    // A hole in front of the gap stays a hole: only what has no hole before it is settled.
    if (gap.fromSeq <= this.settled + 1 && gap.toSeq > this.settled) this.advance(gap.toSeq);
  }

  /**
   * Takes in a page of history that was asked for with `afterSeq`. The server tells all that exists from there up to
   * `upToSeq`, so what the page lacks is gone.
   */
  addPage(afterSeq: number, messages: readonly Message[], upToSeq: number): void {
    for (const message of messages) this.add(message);
    this.noteGap({ fromSeq: afterSeq + 1, toSeq: upToSeq });
  }

  /** Forgets everything above `seq` and gives back what that was: the store lost or changed it. */
  rewind(seq: number): Message[] {
    const dropped = this.messages.filter((message) => message.seq > seq);
    for (const message of dropped) this.bySeq.delete(message.seq);
    this.lost = this.lost.flatMap((gap) =>
      gap.fromSeq > seq ? [] : [{ fromSeq: gap.fromSeq, toSeq: Math.min(gap.toSeq, seq) }],
    );
    this.settled = Math.min(this.settled, seq);
    this.known = this.settled;
    this.floor = Math.min(this.floor, seq);
    this.sorted = null;
    return dropped;
  }

  /**
   * Forgets the oldest messages beyond `count`, but none above `durableSeq`: the page may have to send those again.
   * True when it forgot some.
   */
  keepNewest(count: number, durableSeq: number): boolean {
    const all = this.messages;
    const surplus = all.slice(0, Math.max(0, all.length - count));
    const old = surplus.filter((message) => message.seq <= Math.min(durableSeq, this.settled - 1));
    for (const message of old) this.bySeq.delete(message.seq);
    if (old.length === 0) return false;
    this.floor = Math.max(this.floor, ...old.map((message) => message.seq));
    this.sorted = null;
    return true;
  }

  private isGone(seq: number): boolean {
    return this.lost.some((gap) => gap.fromSeq <= seq && seq <= gap.toSeq);
  }

  private advance(from: number): void {
    let seq = from;
    while (this.bySeq.has(seq + 1)) seq++;
    this.settled = Math.max(this.settled, seq);
    this.known = Math.max(this.known, this.settled);
  }
}

function without(gap: Gap, seq: number): Gap[] {
  if (seq < gap.fromSeq || seq > gap.toSeq) return [gap];
  const parts: Gap[] = [];
  if (gap.fromSeq < seq) parts.push({ fromSeq: gap.fromSeq, toSeq: seq - 1 });
  if (seq < gap.toSeq) parts.push({ fromSeq: seq + 1, toSeq: gap.toSeq });
  return parts;
}
