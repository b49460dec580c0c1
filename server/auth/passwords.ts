import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { TandemError } from '../../protocol/errors.ts';
import { normalizePassword } from './password-rules.ts';

/** argon2id, the default of the library, with the cost that OWASP's cheat sheet asks for: about 20 ms of one core. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/**
 * One at a time: a flood of logins takes one core, and never the threads that files and names are looked up by. What
 * waits is done within a second.
 */
const AT_ONCE = 1;
const MOST_WAITING = 40;
const RETRY_MS = 1000;

export interface PasswordsOptions {
  readonly mostWaiting?: number;
}

/** Hashes passwords, a bounded number of them: beyond it `UNAVAILABLE`, at once. */
export class Passwords {
  readonly #unknown: string;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  private constructor(unknown: string, { mostWaiting = MOST_WAITING }: PasswordsOptions) {
    this.#unknown = unknown;
    this.#mostWaiting = mostWaiting;
  }

  static async open(options: PasswordsOptions = {}): Promise<Passwords> {
    return new Passwords(await hash(randomBytes(32), COST), options);
  }

  /** In PHC format. */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(normalizePassword(password), COST));
  }

  /**
   * Against the hash of an account, or null where there is none: then against one that nothing fits, so that nobody
   * learns from the time it takes whether there is an account.
   */
  async verify(passwordHash: string | null, password: string): Promise<boolean> {
    const fits = await this.#inTurn(() => verify(passwordHash ?? this.#unknown, normalizePassword(password)));
    return fits && passwordHash !== null;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= this.#mostWaiting) {
        throw new TandemError('UNAVAILABLE', 'Too many passwords are being checked: try again in a moment.', {
          retryAfterMs: RETRY_MS,
        });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      // The turn is handed on: nobody who comes now is before those who wait.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
