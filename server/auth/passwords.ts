import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { TandemError } from '../../protocol/errors.ts';
import { normalizePassword } from './password-rules.ts';
import type { FromWorker, ToWorker } from './password-worker.js';

/** What waits is done within a second, where there is a core for it. */
const MOST_WAITING = 40;
const RETRY_MS = 1000;

export interface PasswordsOptions {
  readonly mostWaiting?: number;
}

type Task = ToWorker extends infer T ? (T extends ToWorker ? Omit<T, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (value: string | boolean) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Hashes passwords, one at a time in a thread of its own, which stands back behind those who talk; and a bounded number
 * of them: beyond it `UNAVAILABLE`, at once.
 */
export class Passwords {
  readonly #mostWaiting: number;
  readonly #waiting = new Map<number, Waiting>();
  #unknown: Promise<string> | null = null;
  #worker: Worker | null = null;
  #count = 0;
  #isClosed = false;

  constructor({ mostWaiting = MOST_WAITING }: PasswordsOptions = {}) {
    this.#mostWaiting = mostWaiting;
  }

  /** In PHC format. */
  async hash(password: string): Promise<string> {
    return String(await this.#ask({ kind: 'hash', password: normalizePassword(password) }));
  }

  /**
   * Against the hash of an account, or null where there is none: then against one that nothing fits, so that nobody
   * learns from the time it takes whether there is an account.
   */
  async verify(passwordHash: string | null, password: string): Promise<boolean> {
    const unknown = this.#unknownHash();
    const hash = passwordHash ?? (await unknown);
    const fits = await this.#ask({ kind: 'verify', hash, password: normalizePassword(password) });
    return fits === true && passwordHash !== null;
  }

  /** Made for the first check, whether it is needed for that one or not: those who come after it wait the same time. */
  #unknownHash(): Promise<string> {
    if (this.#unknown === null) {
      const made = this.hash(randomBytes(32).toString('hex'));
      this.#unknown = made;
      made.catch(() => (this.#unknown = null));
    }
    return this.#unknown;
  }

  /** Refuses what waits. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
    this.#failAll(new TandemError('UNAVAILABLE', 'The server is stopping.'));
  }

  #ask(task: Task): Promise<string | boolean> {
    // One of them is being worked on.
    if (this.#waiting.size > this.#mostWaiting || this.#isClosed) {
      const detail = 'Too many passwords are being checked: try again in a moment.';
      return Promise.reject(new TandemError('UNAVAILABLE', detail, { retryAfterMs: RETRY_MS }));
    }
    const id = (this.#count += 1);
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ ...task, id } satisfies ToWorker);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./password-worker.js', import.meta.url));
    worker.on('message', (answer: FromWorker) => this.#take(answer));
    worker.on('error', (error: Error) => this.#failAll(error));
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      this.#failAll(new Error('The thread that hashes passwords ended'));
    });
    // Whoever waits for an answer keeps the process alive, and nobody else.
    worker.unref();
    return worker;
  }

  #take(answer: FromWorker): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.value);
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
