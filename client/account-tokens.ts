import { TandemError } from '../protocol/errors.ts';
import type { Http } from './account-http.ts';
import { parsePair } from './account-store.ts';
import type { AccountStore, StoredAccount, TokenPair } from './account-store.ts';
import type { AccountEvents, SignOutReason, User } from './account-types.ts';
import type { Clock } from './clock.ts';
import type { Emitter } from './emitter.ts';
import type { TabLock } from './tab-lock.ts';

export interface AccountTokensParts {
  readonly http: Http;
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly lock: TabLock;
  readonly emitter: Emitter<AccountEvents>;
}

/** So long before its end an access token is replaced; of short ones a quarter of their life. */
const MARGIN_MS = 60_000;
/**
 * A refresh whose answer is lost is repeated at once: for 10 s the server gives another pair for the same token, and later
 * it takes that for a theft and ends the login. Together shorter than that, and than a connection waits for its token.
 */
const ATTEMPT_MS = 4_500;
const PAUSE_MS = 500;

/** The login of this device, and always a token that works: one refresh at a time, over all tabs. */
export class AccountTokens {
  readonly #parts: AccountTokensParts;
  #held: StoredAccount | null;
  /** When the access token was new, by the monotonic clock. */
  #newAt = 0;
  #refreshing: Promise<void> | null = null;
  /** A limit refuses refreshes until then, by the monotonic clock. */
  #limited: { readonly until: number; readonly error: TandemError } | null = null;

  constructor(parts: AccountTokensParts) {
    this.#parts = parts;
    this.#held = parts.store.load();
    this.#newAt = this.#bornAt(this.#held);
  }

  /** The login as all tabs have it now. Tells of what another tab has done. */
  sync(): StoredAccount | null {
    const held = this.#parts.store.load();
    if (held !== this.#held) this.#take(held, this.#bornAt(held), 'elsewhere');
    return held;
  }

  /** Signed in, or the same login under a new pair. */
  hold(user: User, pair: TokenPair): void {
    const { store, clock } = this.#parts;
    const held = { ...pair, user, receivedAt: clock.now() };
    store.save(held);
    this.#limited = null;
    this.#take(held, clock.monotonic(), 'here');
  }

  /** Nobody is signed in on this device any more. */
  end(reason: SignOutReason): void {
    this.#parts.store.save(null);
    this.#take(null, 0, reason);
  }

  /**
   * An access token that works for a while yet, null when nobody is signed in. `refused` is one that the server did not
   * take: it is not given again. Rejects when there is none at the moment; the login is kept.
   */
  async fresh(refused: string | null): Promise<string | null> {
    const held = this.sync();
    if (held === null) return null;
    const { accessToken } = held;
    if (accessToken !== refused && this.#ageMs(held) < lifeMs(held) - marginMs(held)) return accessToken;
    try {
      await (this.#refreshing ??= this.#refresh(held).finally(() => (this.#refreshing = null)));
    } catch (error) {
      // The old one has a while to go: it was replaced early for this.
      if (accessToken !== refused && this.#held === held && this.#ageMs(held) < lifeMs(held)) return accessToken;
      throw error;
    }
    return this.sync()?.accessToken ?? null;
  }

  async #refresh(held: StoredAccount): Promise<void> {
    const { clock, lock } = this.#parts;
    const limited = this.#limited;
    const waitMs = limited === null ? 0 : limited.until - clock.monotonic();
    if (limited !== null && waitMs > 0) {
      throw new TandemError('RATE_LIMITED', limited.error.message, { retryAfterMs: waitMs, cause: limited.error });
    }
    await lock(async () => {
      const current = this.sync();
      // Another tab did it while this one waited for its turn.
      if (current?.accessToken !== held.accessToken) return;
      const { refreshToken, user } = current;
      try {
        const pair = await this.#exchange(refreshToken);
        // Nobody may be signed in any more, or somebody else.
        if (this.sync()?.refreshToken === refreshToken) this.hold(user, pair);
      } catch (error) {
        if (!(error instanceof TandemError)) throw error;
        const { code, retryAfterMs = 0 } = error;
        if (code === 'RATE_LIMITED') this.#limited = { until: clock.monotonic() + retryAfterMs, error };
        if (code !== 'UNAUTHENTICATED') throw error;
        if (this.sync()?.refreshToken === refreshToken) this.end('refused');
      }
    });
  }

  async #exchange(refreshToken: string): Promise<TokenPair> {
    const { http, clock } = this.#parts;
    const ask = async (): Promise<TokenPair> => {
      const answer = await http('POST', '/auth/refresh', { body: { refreshToken }, deadlineMs: ATTEMPT_MS });
      return parsePair(answer) ?? throwUnreadable();
    };
    try {
      return await ask();
    } catch (error) {
      const isWorthIt = error instanceof TandemError && error.retryable && error.code !== 'RATE_LIMITED';
      if (!isWorthIt) throw error;
      await new Promise<void>((resolve) => {
        clock.after(PAUSE_MS, resolve);
      });
      return await ask();
    }
  }

  #take(held: StoredAccount | null, newAt: number, reason: SignOutReason): void {
    const { emitter } = this.#parts;
    const before = this.#held;
    this.#held = held;
    this.#newAt = newAt;
    if (before !== null && before.user.id !== held?.user.id) {
      emitter.emit('signedOut', { user: before.user, reason });
    }
    if (held === null) return;
    if (before?.user.id !== held.user.id) emitter.emit('signedIn', { user: held.user });
    if (before?.accessToken !== held.accessToken) emitter.emit('renewed', { token: held.accessToken });
  }

  /** The larger of what both clocks say: one may be set, the other stands still while some devices sleep. */
  #ageMs({ receivedAt }: StoredAccount): number {
    const { clock } = this.#parts;
    return Math.max(clock.monotonic() - this.#newAt, clock.now() - receivedAt);
  }

  /** Of one that this page did not receive itself. From the future: the clock was set back, so its age is unknown. */
  #bornAt(held: StoredAccount | null): number {
    const { clock } = this.#parts;
    const ageMs = clock.now() - (held?.receivedAt ?? 0);
    return ageMs < 0 ? -Infinity : clock.monotonic() - ageMs;
  }
}

export function throwUnreadable(): never {
  throw new TandemError('UNAVAILABLE', 'What answered is no Tandem server, or one of another version.');
}

function lifeMs({ expiresInSeconds }: StoredAccount): number {
  return expiresInSeconds * 1000;
}

function marginMs(held: StoredAccount): number {
  return Math.min(MARGIN_MS, lifeMs(held) / 4);
}
