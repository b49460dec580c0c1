import { LoginThrottle } from '../../auth/login-throttle.ts';
import { isSameSecret } from '../../auth/same-secret.ts';
import { TandemError } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { SIZES } from '../../../protocol/limits.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import { handshake } from './schemas.ts';

export interface ConsoleGateOptions {
  /** Null: nobody is let in. */
  adminToken: string | null;
  now: () => number;
  /** How an answer is put off; a timer unless a test has another. */
  wait?: (ms: number) => Promise<unknown>;
}

/** Who may open the console: whoever has the admin token. Wrong ones from an address are answered later and later. */
export class ConsoleGate {
  readonly #adminToken: string | null;
  readonly #throttle: LoginThrottle;

  constructor({ adminToken, now, wait }: ConsoleGateOptions) {
    this.#adminToken = adminToken;
    this.#throttle = new LoginThrottle({ now, ...(wait === undefined ? {} : { wait }) });
  }

  /** Throws `FORBIDDEN` where there is no such token, `INVALID_PAYLOAD`, `UNAUTHENTICATED`, `UNAVAILABLE`. */
  async pass(auth: unknown, { bucket }: ClientIp): Promise<void> {
    if (this.#adminToken === null) {
      throw new TandemError('FORBIDDEN', 'This server has no admin token: its operator sets ADMIN_TOKEN.');
    }
    const token = tokenIn(auth ?? {});
    await this.#throttle.pass(bucket);
    if (token === null || !isSameSecret(token, this.#adminToken)) {
      this.#throttle.failed(bucket);
      throw new TandemError('UNAUTHENTICATED', 'Send the admin token as auth.token.');
    }
    this.#throttle.succeeded(bucket);
  }
}

function tokenIn(auth: unknown): string | null {
  const parsed = inspectJson(auth, SIZES.depth) === null ? handshake.safeParse(auth) : null;
  if (parsed?.success === true) return parsed.data.token ?? null;
  throw new TandemError('INVALID_PAYLOAD', 'auth: expected { token }, the admin token as text.');
}
