import { LoginThrottle } from '../../auth/login-throttle.ts';
import { isSameSecret } from '../../auth/same-secret.ts';
import { TandemError } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { SIZES } from '../../../protocol/limits.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import { handshake } from './schemas.ts';

/** Handshakes of one address whose tokens wait to be looked at: with two seconds for each, before their clients give up. */
const MOST_OF_ADDRESS = 4;
const RETRY_MS = 2000;

export interface ConsoleGateOptions {
  /** Null: nobody is let in. */
  adminToken: string | null;
  now: () => number;
  /** How an answer is put off; a timer unless a test has another. */
  wait?: (ms: number) => Promise<unknown>;
}

/** Those of one address: how many there are, and the end of the last. */
interface Line {
  length: number;
  last: Promise<unknown>;
}

/**
 * Who may open the console: whoever has the admin token. Wrong ones from an address are answered later and later, and one
 * after the other: many sockets at once guess no faster than one.
 */
export class ConsoleGate {
  readonly #adminToken: string | null;
  readonly #throttle: LoginThrottle;
  readonly #lines = new Map<string, Line>();

  constructor({ adminToken, now, wait }: ConsoleGateOptions) {
    this.#adminToken = adminToken;
    this.#throttle = new LoginThrottle({ now, ...(wait === undefined ? {} : { wait }) });
  }

  /** Throws `FORBIDDEN` where there is no such token, `INVALID_PAYLOAD`, `UNAUTHENTICATED`, `UNAVAILABLE`. */
  async pass(auth: unknown, { bucket }: ClientIp): Promise<void> {
    const expected = this.#adminToken;
    if (expected === null) {
      throw new TandemError('FORBIDDEN', 'This server has no admin token: its operator sets ADMIN_TOKEN.');
    }
    const token = tokenIn(auth ?? {});
    await this.#inTurn(bucket, () => this.#check(token, bucket, expected));
  }

  async #check(token: string | null, bucket: string, expected: string): Promise<void> {
    await this.#throttle.pass(bucket);
    if (token === null || !isSameSecret(token, expected)) {
      this.#throttle.failed(bucket);
      throw new TandemError('UNAUTHENTICATED', 'Send the admin token as auth.token.');
    }
    this.#throttle.succeeded(bucket);
  }

  async #inTurn(bucket: string, check: () => Promise<void>): Promise<void> {
    const line = this.#lines.get(bucket) ?? { length: 0, last: Promise.resolve() };
    if (line.length >= MOST_OF_ADDRESS) {
      const text = 'Too many tokens from this address wait to be looked at: try again in a moment.';
      throw new TandemError('UNAVAILABLE', text, { retryAfterMs: RETRY_MS });
    }
    this.#lines.set(bucket, line);
    line.length += 1;
    const checked = line.last.then(check);
    // What becomes of one is nothing to the next.
    line.last = checked.catch(() => undefined);
    try {
      await checked;
    } finally {
      line.length -= 1;
      if (line.length === 0) this.#lines.delete(bucket);
    }
  }
}

function tokenIn(auth: unknown): string | null {
  const parsed = inspectJson(auth, SIZES.depth) === null ? handshake.safeParse(auth) : null;
  if (parsed?.success === true) return parsed.data.token ?? null;
  throw new TandemError('INVALID_PAYLOAD', 'auth: expected { token }, the admin token as text.');
}
