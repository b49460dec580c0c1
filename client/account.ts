import { TandemError } from '../protocol/errors.ts';
import { abortable } from './abortable.ts';
import { httpOf } from './account-http.ts';
import type { Http } from './account-http.ts';
import { AccountStore, parsePair, parseUser } from './account-store.ts';
import { AccountTokens, throwUnreadable } from './account-tokens.ts';
import type {
  AccountEvents,
  AccountOptions,
  AccountStorage,
  FollowedClient,
  Login,
  MessagePage,
  SessionPage,
  User,
} from './account-types.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { Emitter } from './emitter.ts';
import { originOf } from './origin.ts';
import { tabLock } from './tab-lock.ts';
import type { TabLock } from './tab-lock.ts';
import type { HistoryOptions, RequestOptions } from './types.ts';
import { hasFields, isMessage, isRecord, isSession } from './wire.ts';

export type * from './account-types.ts';

/** What tests put in place of the system's own. */
export interface AccountParts {
  readonly clock?: Clock;
  readonly fetch?: typeof fetch;
  readonly lock?: TabLock;
}

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/**
 * A user of the server's own accounts, on this device. What fails rejects with a `TandemError`; a signal rejects with its
 * own reason, and what is under way may still take effect.
 *
 *     const account = new Account();
 *     const client = new TandemClient({ token: account.token });
 *     account.follow(client);
 */
export class Account {
  readonly #http: Http;
  readonly #tokens: AccountTokens;
  readonly #emitter = new Emitter<AccountEvents>();
  readonly #stopListening: () => void;
  /** What the hook gave last. */
  #given: string | null = null;

  constructor({ url, storage, storageKey = 'tandem.account' }: AccountOptions = {}, parts: AccountParts = {}) {
    const clock = parts.clock ?? systemClock;
    const kept = storage === undefined ? sharedStorage() : storage;
    this.#http = httpOf(originOf(url), clock, parts.fetch ?? ((...call) => fetch(...call)));
    this.#tokens = new AccountTokens({
      http: this.#http,
      store: new AccountStore(kept, storageKey),
      clock,
      lock: parts.lock ?? tabLock(storageKey, kept, clock),
      emitter: this.#emitter,
    });
    this.#stopListening = listenToTabs(() => void this.#tokens.sync());
  }

  /** As the server told it last; null when nobody is signed in. */
  get user(): User | null {
    return this.#tokens.sync()?.user ?? null;
  }

  /** Adds a listener; the returned function removes it. */
  on<E extends keyof AccountEvents>(event: E, listener: (payload: AccountEvents[E]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  /**
   * The hook of a `TandemClient`: a fresh access token before each connection, null when nobody is signed in. Rejects
   * while there is none to be had; the login is kept.
   */
  readonly token = async ({ isRefused = false }: { readonly isRefused?: boolean } = {}): Promise<string | null> => {
    this.#given = await this.#tokens.fresh(isRefused ? this.#given : null);
    return this.#given;
  };

  /** @throws TandemError `EMAIL_TAKEN`, `INVALID_PAYLOAD` with `issues`, `FORBIDDEN` where nobody may register, and others */
  async register(
    { email, password, name }: Credentials & { readonly name?: string },
    options?: RequestOptions,
  ): Promise<User> {
    const body = { email, password, ...(name === undefined ? {} : { name }) };
    return await this.#enter('/auth/register', body, options);
  }

  /** @throws TandemError `INVALID_CREDENTIALS`, `RATE_LIMITED`, and others */
  async signIn({ email, password }: Credentials, options?: RequestOptions): Promise<User> {
    return await this.#enter('/auth/login', { email, password }, options);
  }

  /** Here at once and in any case. `isConfirmed` is false when the server could not be told: then the login ends by its age. */
  async signOut({ signal }: RequestOptions = {}): Promise<{ isConfirmed: boolean }> {
    const held = this.#tokens.sync();
    if (held === null) return { isConfirmed: true };
    this.#tokens.end('here');
    try {
      await this.#endOnServer(held, signal);
      return { isConfirmed: true };
    } catch (error) {
      signal?.throwIfAborted();
      // What the server does not know any more needs no end.
      return { isConfirmed: error instanceof TandemError && error.code === 'UNAUTHENTICATED' };
    }
  }

  /** Ends all logins of the user, this one included. */
  async signOutEverywhere({ signal }: RequestOptions = {}): Promise<void> {
    await this.#ask('POST', '/auth/logout-all', { signal });
    this.#tokens.end('here');
  }

  /** Ends all other logins. @throws TandemError `INVALID_CREDENTIALS`, `INVALID_PAYLOAD` with `issues`, and others */
  async changePassword(
    passwords: { readonly current: string; readonly next: string },
    { signal }: RequestOptions = {},
  ): Promise<void> {
    const { current, next } = passwords;
    await this.#ask('POST', '/auth/password', { body: { current, next }, signal });
  }

  /** Who is signed in, as the server knows it. Signs out here when it does not know the login any more. */
  async me({ signal }: RequestOptions = {}): Promise<User> {
    const { user } = await this.#ask('GET', '/auth/me', { signal });
    return parseUser(user) ?? throwUnreadable();
  }

  /** Devices that are signed in, the newest first. */
  async logins({ signal }: RequestOptions = {}): Promise<readonly Login[]> {
    const { logins } = await this.#ask('GET', '/auth/logins', { signal });
    return isListOf(logins, isLogin) ? logins : throwUnreadable();
  }

  /** Signs a device out. @throws TandemError `UNKNOWN_COMMAND` when none of the user's is signed in under this id */
  async endLogin(id: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#ask('DELETE', `/auth/logins/${encodeURIComponent(id)}`, { signal });
  }

  /** Sessions in which the user has a seat or had one, a page of them. */
  async sessions({
    cursor,
    limit,
    signal,
  }: RequestOptions & { readonly cursor?: string | null; readonly limit?: number } = {}): Promise<SessionPage> {
    const { sessions, nextCursor } = await this.#ask('GET', `/me/sessions${queryOf({ cursor, limit })}`, { signal });
    const isCursor = nextCursor === null || typeof nextCursor === 'string';
    return isListOf(sessions, isSession) && isCursor ? { sessions, nextCursor } : throwUnreadable();
  }

  /** What was said in a session of the user, over or not, as far as the user might see it: the newest unless asked otherwise. */
  async messages(sessionId: string, { signal, ...range }: HistoryOptions = {}): Promise<MessagePage> {
    const path = `/sessions/${encodeURIComponent(sessionId)}/messages${queryOf({ ...range })}`;
    const answer = await this.#ask('GET', path, { signal });
    if (!hasFields(answer, 'hasMore lastSeq') || !isListOf(answer.messages, isMessage)) throwUnreadable();
    const { messages, hasMore, lastSeq } = answer as unknown as MessagePage;
    return { messages, hasMore, lastSeq };
  }

  /**
   * Tells the client's connection of each fresh token, and looks whether this device is still signed in when the server
   * ended it as `revoked` or `unauthenticated`. The returned function ends that.
   */
  follow(client: FollowedClient): () => void {
    const offs = [
      this.on('renewed', ({ token }) => {
        if (client.connection.kind !== 'online') return;
        // Under another user's token, or none: the next connection is this one's.
        client.refreshToken(token).catch(() => undefined);
      }),
      client.on('connection', ({ kind }) => {
        if (kind === 'closed') queueMicrotask(() => this.#lookAfter(client));
      }),
    ];
    return () => {
      for (const off of offs) off();
    };
  }

  /** Listens to other tabs no more. The login is kept. */
  close(): void {
    this.#stopListening();
  }

  #lookAfter({ session }: FollowedClient): void {
    const reason = session?.ended?.reason;
    if ((reason !== 'revoked' && reason !== 'unauthenticated') || this.user === null) return;
    // What comes of it is told by `signedOut`; without an answer the next use of the login finds out.
    this.me().catch(() => undefined);
  }

  async #enter(path: string, body: object, { signal }: RequestOptions = {}): Promise<User> {
    const answer = await this.#http('POST', path, { body, signal });
    const pair = parsePair(answer);
    const user = isRecord(answer) ? parseUser(answer.user) : null;
    if (pair === null || user === null) throwUnreadable();
    const before = this.#tokens.sync();
    this.#tokens.hold(user, pair);
    // Nobody has its tokens any more. Unanswered, it ends by its age.
    if (before !== null) this.#endOnServer(before, undefined).catch(() => undefined);
    return user;
  }

  /** An access token may have run out while its login has not. */
  async #endOnServer(
    { accessToken, refreshToken }: { readonly accessToken: string; readonly refreshToken: string },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const path = '/auth/logout';
    try {
      await this.#http('POST', path, { token: accessToken, signal });
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
      const pair = parsePair(await this.#http('POST', '/auth/refresh', { body: { refreshToken }, signal }));
      if (pair !== null) await this.#http('POST', path, { token: pair.accessToken, signal });
    }
  }

  /** As the user; once more under another token when the server does not take the first. */
  async #ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    call: { readonly body?: object; readonly signal: AbortSignal | undefined },
  ): Promise<Record<string, unknown>> {
    const { signal } = call;
    const ask = async (token: string): Promise<Record<string, unknown>> => {
      const answer = await this.#http(method, path, { ...call, token });
      return isRecord(answer) ? answer : {};
    };
    const token = await abortable(this.#tokens.fresh(null), signal);
    if (token === null) throw new TandemError('UNAUTHENTICATED', 'Nobody is signed in.');
    try {
      return await ask(token);
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
      const other = await abortable(this.#tokens.fresh(token), signal);
      if (other === null) throw error;
      return await ask(other);
    }
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof TandemError && error.code === 'UNAUTHENTICATED';
}

function isLogin(value: unknown): value is Login {
  if (!hasFields(value, 'id createdAt lastUsedAt') || typeof value.current !== 'boolean') return false;
  return [value.ip, value.userAgent].every((text) => text === null || typeof text === 'string');
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem);
}

function queryOf(values: Readonly<Record<string, string | number | null | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? '' : `?${given.join('&')}`;
}

/** What all tabs share. Reading the property alone throws where it is forbidden. */
function sharedStorage(): AccountStorage | null {
  try {
    return (globalThis as { localStorage?: AccountStorage }).localStorage ?? null;
  } catch {
    return null;
  }
}

/** Another tab has written, or this page comes out of the cache in which it was told nothing. */
function listenToTabs(changed: () => void): () => void {
  const page = globalThis as Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>;
  const events = ['storage', 'pageshow'];
  for (const event of events) page.addEventListener?.(event, changed);
  return () => {
    for (const event of events) page.removeEventListener?.(event, changed);
  };
}
