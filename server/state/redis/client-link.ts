import { setTimeout as delay } from 'node:timers/promises';
import { at, Connection, type ConnectionSettings } from './client-connection.ts';
import { toError, unavailable } from './client-errors.ts';
import type { RedisAddress, RedisPrimary } from './client-types.ts';

const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 500;

export interface LinkOptions {
  readonly settings: ConnectionSettings;
  /** Where the primary is now; asked before every connection. */
  readonly find: () => Promise<RedisAddress>;
  /** The last step of a connection before it counts; when it throws, the connection is not taken. */
  readonly prepare?: (connection: Connection) => Promise<void>;
  /** `isAnew` is false for the first connection alone. */
  readonly onUp: (primary: RedisPrimary, isAnew: boolean) => void;
  /** Told of every loss, not of every attempt that fails after it. */
  readonly onDown: (error: Error) => void;
}

/** One connection to a primary that is made anew, at once and then at most half a second apart, until it is closed. */
export class RedisLink {
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  #connection: Connection | null = null;
  #opening: Connection | null = null;
  #primary: RedisPrimary | null = null;
  #failure = new Error('Redis was not reached yet');
  #running: Promise<void> | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  get isUp(): boolean {
    return this.#connection?.isOpen === true;
  }

  /** Null while it is down. */
  get primary(): RedisPrimary | null {
    return this.isUp ? this.#primary : null;
  }

  /** Why it is down, or was the last time. */
  get failure(): Error {
    return this.#failure;
  }

  /** Throws `UNAVAILABLE` while it is down. */
  get connection(): Connection {
    if (this.#connection?.isOpen !== true) throw unavailable(this.#failure);
    return this.#connection;
  }

  /** Resolves when it is up; rejects with `UNAVAILABLE` when that takes longer. */
  async up(deadlineMs: number): Promise<Connection> {
    if (this.isUp) return this.connection;
    const late = new AbortController();
    let tell: () => void = () => undefined;
    const isUp = new Promise<void>((resolve) => (tell = resolve));
    this.#waiting.add(tell);
    const signal = AbortSignal.any([late.signal, this.#closing.signal]);
    try {
      // A rejected delay is one that was cut short; what counts is whether it is up.
      await Promise.race([isUp, delay(deadlineMs, undefined, { signal }).catch(() => undefined)]);
    } finally {
      late.abort();
      this.#waiting.delete(tell);
    }
    return this.connection;
  }

  /** Ends the connection so that another one is made, to whoever is primary by then. */
  drop(reason: Error): void {
    this.#connection?.end(reason);
  }

  async close(): Promise<void> {
    const reason = new Error('The connection to Redis was closed');
    this.#failure = reason;
    this.#closing.abort();
    this.#opening?.end(reason);
    this.#connection?.end(reason);
    await this.#running;
  }

  async #run(): Promise<void> {
    let isAnew = false;
    let failures = 0;
    while (!this.#isClosing()) {
      try {
        this.#connection = await this.#open();
        failures = 0;
        for (const tell of this.#waiting) tell();
        if (this.#primary !== null) this.#options.onUp(this.#primary, isAnew);
        isAnew = true;
        this.#failure = await this.#connection.ended;
        this.#connection = null;
        if (!this.#isClosing()) this.#options.onDown(this.#failure);
      } catch (error) {
        if (!this.#isClosing()) this.#failure = toError(error);
      }
      await this.#pause(failures++);
    }
  }

  async #open(): Promise<Connection> {
    const { find, settings, prepare } = this.#options;
    const address = await find();
    this.#closing.signal.throwIfAborted();
    const connection = await Connection.open(address, settings);
    this.#opening = connection;
    try {
      this.#closing.signal.throwIfAborted();
      const { role, ...primary } = await connection.describe();
      if (role !== '' && role !== 'master') throw new Error(`${at(address)} is a replica; a primary is needed`);
      await prepare?.(connection);
      this.#primary = primary;
      return connection;
    } catch (error) {
      connection.end(toError(error));
      throw error;
    } finally {
      this.#opening = null;
    }
  }

  /** With jitter: instances that lost the same server do not come back in step. */
  async #pause(failures: number): Promise<void> {
    const ms = Math.min(LEAST_PAUSE_MS * 2 ** failures, MOST_PAUSE_MS) * (0.5 + Math.random() / 2);
    // Cut short by close, which the loop looks at.
    await delay(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
  }

  /** A function, because the compiler does not see that `close` changes it. */
  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }
}
