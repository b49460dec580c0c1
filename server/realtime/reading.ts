/** The longest that a client is not read at a time: its pongs wait unread, and 10 s without one end a connection. */
const PAUSE_MS = 5000;

/** What can be told to stop reading. Long polling has none: its requests wait instead. */
interface Pausable {
  pause(): void;
  resume(): void;
}

/** Engine.IO's connection. Its transport may change: polling may have become a WebSocket. */
export interface Link {
  readonly transport: unknown;
  /** Runs while a pong is awaited. */
  readonly pingTimeoutTimer?: { refresh(): unknown } | null;
}

/**
 * Whether one client is being read. While it is not, its packets stay in the buffers of the kernel, and TCP makes the
 * client wait; what is sent to it, pings included, goes out as ever. No pause lasts for ever, whoever forgets it.
 */
export class Reading {
  readonly #link: Link;
  #paused: Pausable | null = null;
  #timer: NodeJS.Timeout | null = null;
  #onEnd: () => void = () => undefined;
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(link: Link) {
    this.#link = link;
  }

  get isPaused(): boolean {
    return this.#timer !== null;
  }

  /** `onEnd` is called once, when the pause is over for whatever reason. */
  pause(onEnd: () => void): void {
    if (this.#isClosed) return;
    if (!this.isPaused) {
      this.#onEnd = onEnd;
      this.#timer = setTimeout(() => this.resume(), PAUSE_MS);
    }
    const socket = pausableOf(this.#link.transport);
    if (socket === this.#paused) return;
    this.#paused = socket;
    socket?.pause();
  }

  resume(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    // A WebSocket that is closing needs to be read as well: it waits for the farewell of the other side.
    this.#paused?.resume();
    this.#paused = null;
    // The time in which nobody read is not the client's silence: its pong may lie behind megabytes of what it said.
    if (!this.#isClosed) this.#link.pingTimeoutTimer?.refresh();
    const onEnd = this.#onEnd;
    this.#onEnd = () => undefined;
    onEnd();
    for (const tell of [...this.#waiting]) tell();
    this.#waiting.clear();
  }

  /** Resolves when the pause is over: at once when there is none. */
  async resumed(): Promise<void> {
    if (this.isPaused) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The connection is gone: it is never paused again. */
  close(): void {
    this.#isClosed = true;
    this.resume();
  }
}

function pausableOf(transport: unknown): Pausable | null {
  const { socket } = transport as { socket?: Partial<Pausable> };
  return typeof socket?.pause === 'function' && typeof socket.resume === 'function' ? (socket as Pausable) : null;
}
