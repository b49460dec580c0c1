import type { Writable } from 'node:stream';

/** Where finished lines go. Nothing in here throws or rejects: a log that cannot be written must not end the service. */
export interface LineSink {
  /** Takes one line with its line feed. */
  write(line: string): void;
  /** Lines that were lost so far. */
  dropped(): number;
  /** When the last of them was lost, as `performance.now()` tells the time; null while none was. */
  droppedAt(): number | null;
  /** Resolves when what was taken is written, or after a deadline. */
  close(): Promise<void>;
}

/** Unwritten bytes above which lines are dropped: a reader that stopped must not fill the memory. */
export const MAX_PENDING_BYTES = 8 * 1024 * 1024;

/** How long closing waits for a disk or pipe that no longer takes anything. */
const CLOSE_TIMEOUT_MS = 3000;

/**
 * Streams that have a listener for errors. It stays for good: a closed pipe may report EPIPE after the logger has gone,
 * and an `error` event without a listener ends the process.
 */
const guarded = new WeakSet<Writable>();

/** A write costs more than the line in it. With so many characters it is large enough, and what is held stays small. */
const MAX_HELD = 64 * 1024;

/** Streams whose last lines a process that ends without a word (a crash, a second signal) has to hand over. */
const holding = new Set<LogStream>();
const flushAll = () => {
  for (const stream of holding) stream.flush();
};

/**
 * Lines to a stream that belongs to somebody else, such as stdout: it is flushed at the end, never ended. Those of one
 * turn of the event loop are one write; only `kill -9` takes the lines of the last turn along.
 */
export class LogStream implements LineSink {
  readonly #stream: Writable;
  #held: string[] = [];
  #heldLength = 0;
  #dropped = 0;
  #droppedAt: number | null = null;
  #isClosed = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    if (guarded.has(stream)) return;
    guarded.add(stream);
    stream.on('error', () => undefined);
  }

  write(line: string): void {
    const { writable, writableLength } = this.#stream;
    if (this.#isClosed || !writable || writableLength + this.#heldLength > MAX_PENDING_BYTES) {
      this.#lose(1);
      return;
    }
    if (this.#held.length === 0) this.#hold();
    this.#held.push(line);
    this.#heldLength += line.length;
    if (this.#heldLength > MAX_HELD) this.flush();
  }

  /** Hands over what is held. On Linux the kernel has it then, if there is room in a pipe. */
  readonly flush = (): void => {
    const lines = this.#held;
    if (lines.length === 0) return;
    this.#held = [];
    this.#heldLength = 0;
    if (!this.#stream.writable) {
      this.#lose(lines.length);
      return;
    }
    this.#stream.write(lines.join(''), (error) => {
      if (error) this.#lose(lines.length);
    });
  };

  dropped(): number {
    return this.#dropped;
  }

  droppedAt(): number | null {
    return this.#droppedAt;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.flush();
    if (holding.delete(this) && holding.size === 0) process.off('exit', flushAll);
    if (!this.#stream.writable) return;
    await withinDeadline((done) => this.#stream.write('', done));
  }

  #hold(): void {
    setImmediate(this.flush);
    if (holding.has(this)) return;
    if (holding.size === 0) process.on('exit', flushAll);
    holding.add(this);
  }

  #lose(lines: number): void {
    this.#dropped += lines;
    this.#droppedAt = performance.now();
  }
}

/** Calls `act` and waits until it calls back, at most CLOSE_TIMEOUT_MS. */
export function withinDeadline(act: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    act(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
