import type { Writable } from 'node:stream';

/** Where finished lines go. Nothing in here throws or rejects: a log that cannot be written must not end the service. */
export interface LineSink {
  /** Takes one line with its line feed. */
  write(line: string): void;
  /** Lines that were lost so far. */
  dropped(): number;
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

/** Lines to a stream that belongs to somebody else, such as stdout: it is flushed at the end, never ended. */
export class LogStream implements LineSink {
  readonly #stream: Writable;
  #dropped = 0;
  #isClosed = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    if (guarded.has(stream)) return;
    guarded.add(stream);
    stream.on('error', () => undefined);
  }

  write(line: string): void {
    if (this.#isClosed || !this.#stream.writable || this.#stream.writableLength > MAX_PENDING_BYTES) {
      this.#dropped += 1;
      return;
    }
    this.#stream.write(line, (error) => {
      if (error) this.#dropped += 1;
    });
  }

  dropped(): number {
    return this.#dropped;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#stream.writable) return;
    await withinDeadline((done) => this.#stream.write('', done));
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
