import type { LogEvent, LogLevel } from './log-event.ts';
import type { LogFields } from './log-fields.ts';

/** What a stranger can bring about as often as he likes. The metrics count all of it. */
const PROVOKED: ReadonlySet<LogEvent> = new Set<LogEvent>([
  'auth_failed',
  'rate_limit_exceeded',
  'security_event',
  'slow_consumer_closed',
]);

/** At most so many lines of one kind in a window: two in a second are enough to see who, and more than anybody reads. */
const LINES = 20;
const WINDOW_MS = 10_000;
/** Kinds are made of constants; should they not be, all further ones of an event count as one. */
const MOST_KINDS = 500;

/** Tells lines of one event apart: those of one kind are of no use to whoever has seen twenty of them. */
type Kind = Pick<LogFields, 'reason' | 'limit' | 'errorCode'>;

export interface FloodGateOptions {
  /** Writes one line for all that were left out of a window, at its end. */
  readonly onSuppressed: (level: LogLevel, event: LogEvent, fields: LogFields) => void;
}

interface Window {
  readonly level: LogLevel;
  readonly event: LogEvent;
  readonly kind: Kind;
  readonly timer: NodeJS.Timeout;
  lines: number;
  suppressed: number;
}

/** Keeps a flood of refusals from becoming a flood of lines, and says how many it kept back. */
export class FloodGate {
  readonly #options: FloodGateOptions;
  readonly #windows = new Map<string, Window>();

  constructor(options: FloodGateOptions) {
    this.#options = options;
  }

  admits(level: LogLevel, event: LogEvent, fields: LogFields): boolean {
    if (!PROVOKED.has(event)) return true;
    const window = this.#windowOf(level, event, fields);
    window.lines += 1;
    if (window.lines <= LINES) return true;
    window.suppressed += 1;
    return false;
  }

  /** Ends all windows, and says what they left out. */
  close(): void {
    for (const [key, window] of [...this.#windows]) this.#end(key, window);
  }

  #windowOf(level: LogLevel, event: LogEvent, { reason, limit, errorCode }: LogFields): Window {
    const named = { reason, limit, errorCode };
    const isRoom = this.#windows.size < MOST_KINDS;
    const full = [event, reason, limit, errorCode].join('\n');
    const [key, kind] = isRoom || this.#windows.has(full) ? [full, named] : [event, {}];
    let window = this.#windows.get(key);
    if (window === undefined) {
      const timer = setTimeout(() => this.#end(key, opened), WINDOW_MS);
      timer.unref();
      const opened: Window = { level, event, kind, timer, lines: 0, suppressed: 0 };
      window = opened;
      this.#windows.set(key, opened);
    }
    return window;
  }

  #end(key: string, { level, event, kind, timer, suppressed }: Window): void {
    clearTimeout(timer);
    this.#windows.delete(key);
    if (suppressed > 0) this.#options.onSuppressed(level, event, { ...kind, suppressed });
  }
}
