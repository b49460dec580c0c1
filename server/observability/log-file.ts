import fs from 'node:fs';
import { join } from 'node:path';
import DailyRotateFile from 'winston-daily-rotate-file';
import { LOG_FILE_MODE, sweepLogs } from './log-retention.ts';
import { MAX_PENDING_BYTES, withinDeadline, type LineSink } from './log-stream.ts';

export interface LogFileOptions {
  dir: string;
  retentionDays: number;
  /** A day's file that has so many bytes is followed by `YYYY-MM-DD.1.log`, and so on. */
  maxFileBytes?: number;
  /** Wait before a directory that could not be written is tried again. */
  retryMs?: number;
  /** Least time between two looks at whether today's file is still there. */
  checkMs?: number;
  /** `fs.write`, unless a disk that fills up amid a line is wanted. */
  writeToDisk?: DiskWrite;
  /** Told when the first line is lost, and when one is written again; not for every line between. */
  onTurn?: (turn: LogFileTurn) => void;
}

export interface LogFileTurn {
  isWell: boolean;
  /** Lines lost since the files failed. */
  dropped: number;
  /** Why the first was lost, where that is known. */
  error?: unknown;
}

/** What is on its way to the disk through one opening of the transport. */
interface Pending {
  /** In the order in which they came. */
  readonly lines: Set<Uint8Array>;
  bytes: number;
}

/** As `fs.write` of bytes. */
type DiskWrite = (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number | null,
  callback: (error: NodeJS.ErrnoException | null, written: number, buffer: Uint8Array) => void,
) => void;

/** As LOG_FILE_MODE; who may read may also enter. */
const DIRECTORY_MODE = 0o750;

const LINE_FEED = Buffer.from('\n');

/** What an editor opens, and a collector takes in one go. */
const MAX_FILE_BYTES = 100 * 1024 * 1024;

/** Files that a process which ends without a word (a crash, a second signal) has to write to the end. */
const unwritten = new Set<LogFile>();
const writeAllToEnd = () => {
  for (const file of unwritten) file.writeToEnd();
};

/**
 * JSON lines in `YYYY-MM-DD.log` by UTC day, through winston-daily-rotate-file. That transport does not listen to the
 * errors of its stream (a full disk ends the process), throws out of a write when the directory cannot be made, does
 * not notice a deleted file, and buffers without a bound; this class stands between it and the service.
 */
export class LogFile implements LineSink {
  readonly #dir: string;
  readonly #retentionDays: number;
  readonly #maxFileBytes: number;
  readonly #retryMs: number;
  readonly #checkMs: number;
  readonly #writeToDisk: DiskWrite;
  #file: DailyRotateFile | null = null;
  #pending: Pending = { lines: new Set(), bytes: 0 };
  /** Where lines go now; null before the first. */
  #path: string | null = null;
  readonly #onTurn: (turn: LogFileTurn) => void;
  #dropped = 0;
  /** What `#dropped` was when lines began to be lost; null while they are written. */
  #failedFrom: number | null = null;
  #droppedAt: number | null = null;
  #openError: unknown;
  #retryAt = 0;
  #checkAt = 0;
  #sweptDay = '';
  #isClosed = false;
  #onLastLine: (() => void) | null = null;

  constructor(options: LogFileOptions) {
    this.#dir = options.dir;
    this.#retentionDays = options.retentionDays;
    this.#maxFileBytes = options.maxFileBytes ?? MAX_FILE_BYTES;
    this.#retryMs = options.retryMs ?? 5000;
    this.#checkMs = options.checkMs ?? 2000;
    this.#writeToDisk = options.writeToDisk ?? fs.write;
    this.#onTurn = options.onTurn ?? (() => undefined);
  }

  write(line: string): void {
    if (this.#isClosed) {
      this.#dropped += 1;
      this.#droppedAt = performance.now();
      return;
    }
    const file = this.#open();
    if (file === null || this.#pending.bytes > MAX_PENDING_BYTES) {
      this.#lose(1, file === null ? this.#openError : undefined);
      return;
    }
    const bytes = Buffer.from(line);
    this.#pending.lines.add(bytes);
    this.#pending.bytes += bytes.length;
    try {
      file.logStream.write(bytes);
    } catch (error) {
      // At the turn of the day the transport makes the directory anew, and throws when it cannot.
      this.#giveUp(file, error);
      return;
    }
    this.#lookAfter(file);
  }

  dropped(): number {
    return this.#dropped;
  }

  droppedAt(): number | null {
    return this.#droppedAt;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const file = this.#file;
    const waiting = this.#pending.lines.size;
    // Ending the transport would report `finish` before its stream has written: the stream itself is ended first.
    if (file !== null) await withinDeadline((done) => file.logStream.end(() => this.#afterLastLine(done)));
    // A slow disk gets the rest when the process ends; one that took nothing at all would keep it from ending.
    const left = this.#pending.lines.size;
    if (left > 0 && left < waiting) return;
    if (!unwritten.delete(this) || unwritten.size > 0) return;
    process.off('exit', writeAllToEnd);
  }

  /**
   * When the process ends at once: nothing that is asynchronous is finished any more. The line that was just under way
   * may stand there twice then, which is better than the last words of a crash not at all.
   */
  writeToEnd(): void {
    if (this.#path === null || this.#pending.lines.size === 0) return;
    try {
      fs.appendFileSync(this.#path, Buffer.concat([...this.#pending.lines]), { mode: LOG_FILE_MODE });
      this.#pending.lines.clear();
    } catch {
      // The disk is full, or gone: there is nobody left to tell.
    }
  }

  /** The file before may still be written when the stream of this one has ended. */
  #afterLastLine(done: () => void): void {
    if (this.#pending.lines.size === 0) done();
    else this.#onLastLine = done;
  }

  #open(): DailyRotateFile | null {
    if (this.#file !== null) return this.#file;
    if (performance.now() < this.#retryAt) return null;
    const pending: Pending = { lines: new Set(), bytes: 0 };
    try {
      // Left to the transport, it would be open to everybody.
      fs.mkdirSync(this.#dir, { recursive: true, mode: DIRECTORY_MODE });
      const file = new DailyRotateFile({
        dirname: this.#dir,
        filename: '%DATE%',
        extension: '.log',
        datePattern: 'YYYY-MM-DD',
        utc: true,
        maxSize: this.#maxFileBytes,
        // Never written, because no `maxFiles` is given; without a name the transport would hash all of its options.
        auditFile: join(this.#dir, '.audit.json'),
        options: {
          flags: 'a',
          mode: LOG_FILE_MODE,
          fs: { open: fs.open, close: fs.close, write: this.#writer(pending) },
        },
      });
      file.on('error', () => undefined);
      file.on('new', (path: string) => {
        if (this.#file === file) this.#path = path;
      });
      file.logStream.on('error', (error: unknown) => this.#giveUp(file, error));
      this.#file = file;
      this.#pending = pending;
      if (unwritten.size === 0) process.on('exit', writeAllToEnd);
      unwritten.add(this);
      // Not at once: the file is being made while the first lines wait.
      this.#checkAt = performance.now() + this.#checkMs;
      this.#sweep();
      return file;
    } catch (error) {
      this.#openError = error;
      this.#retryAt = performance.now() + this.#retryMs;
      return null;
    }
  }

  /**
   * `fs.write` for the transport's stream. A failed write (the disk is full) costs its line and no more: reported as an
   * error it would destroy the stream, and with it every line until the next day. Each call carries one line at most,
   * because without a `writev` the stream does not join them.
   */
  #writer(pending: Pending) {
    const toDisk = this.#writeToDisk;
    // By file: at the turn of the day, or when a file is long enough, the end of one and the beginning of the next overlap.
    /** Lines of which the disk holds the beginning, and whose rest comes next. */
    const begun = new Map<number, Uint8Array>();
    /** Files that end with half a line, the rest of which was lost. */
    const torn = new Set<number>();
    const write: DiskWrite = (fd, buffer, offset, length, position, callback) => {
      toDisk(fd, buffer, offset, length, position, (error, written) => {
        if (error === null && written < length) {
          // The stream calls again for the rest, and only the end of it settles the line.
          if (!begun.has(fd)) begun.set(fd, buffer);
          pending.bytes -= written;
          callback(null, written, buffer);
          return;
        }
        pending.lines.delete(begun.get(fd) ?? buffer);
        pending.bytes -= length;
        if (error === null) {
          this.#recover();
        } else {
          this.#lose(1, error);
          if (begun.has(fd)) torn.add(fd);
        }
        begun.delete(fd);
        callback(null, length, buffer);
        if (pending.lines.size === 0) this.#onLastLine?.();
      });
    };
    const writeLine: DiskWrite = (fd, buffer, offset, length, position, callback) => {
      if (!torn.has(fd) || begun.has(fd)) {
        write(fd, buffer, offset, length, position, callback);
        return;
      }
      // Finish the half line first, so that this one can be read.
      toDisk(fd, LINE_FEED, 0, 1, position, (error) => {
        if (error === null) torn.delete(fd);
        write(fd, buffer, offset, length, position, callback);
      });
    };
    return writeLine;
  }

  /** The lines on their way are lost, and the directory is tried again after a while. */
  #giveUp(file: DailyRotateFile, error: unknown): void {
    if (this.#file !== file) return;
    this.#file = null;
    this.#lose(this.#pending.lines.size, error);
    this.#pending = { lines: new Set(), bytes: 0 };
    this.#retryAt = performance.now() + this.#retryMs;
    file.logStream.end();
  }

  #lose(lines: number, error: unknown): void {
    const isFirst = this.#failedFrom === null;
    this.#failedFrom ??= this.#dropped;
    this.#dropped += lines;
    this.#droppedAt = performance.now();
    if (isFirst) this.#onTurn({ isWell: false, dropped: lines, error });
  }

  #recover(): void {
    // A disk that is almost full, or too slow, takes some lines and not others: it is back when none was lost for a while.
    if (this.#failedFrom === null || performance.now() - (this.#droppedAt ?? 0) < this.#retryMs) return;
    const dropped = this.#dropped - this.#failedFrom;
    this.#failedFrom = null;
    this.#onTurn({ isWell: true, dropped });
  }

  /** Runs now and then on the way of a line, so that an idle logger keeps no timer. */
  #lookAfter(file: DailyRotateFile): void {
    const now = performance.now();
    if (now < this.#checkAt) return;
    this.#checkAt = now + this.#checkMs;
    this.#sweep();
    fs.stat(this.#path ?? this.#dir, (error) => {
      // Whoever deleted the file took the open one along: lines would go to a file without a name. Those since the last
      // look may have, and are not counted as lost: when it was deleted, nobody knows.
      if (error?.code !== 'ENOENT' || this.#file !== file || this.#isClosed) return;
      this.#file = null;
      file.logStream.end();
    });
  }

  /** Once a day. Files that resist are tried again tomorrow: there is no log to complain to but this one. */
  #sweep(): void {
    const today = utcDay();
    if (this.#sweptDay === today) return;
    this.#sweptDay = today;
    sweepLogs(this.#dir, this.#retentionDays, today).catch(() => undefined);
  }
}

function utcDay(): string {
  return new Date().toISOString().slice(0, 10);
}
