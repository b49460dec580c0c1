/// <reference types="node" />
import { afterEach, describe, expect, it } from '@jest/globals';
import { ERRORS, TandemError, type ErrorCode } from '../protocol/errors.ts';
import { FakeStorage } from '../test/support/fake-storage.ts';
import { VirtualTime } from '../test/support/virtual-time.ts';
import { Account } from './account.ts';
import type { AccountOptions, AccountStorage, FollowedClient } from './account-types.ts';
import { claimLock, webLock } from './tab-lock.ts';
import type { Locks, TabLock } from './tab-lock.ts';

const LIFE_SECONDS = 900;
const ADA = { id: 'u1', email: 'ada@example.com', name: 'Ada', createdAt: '2026-01-31T12:00:00.000Z' };

interface Request {
  readonly method: string;
  readonly path: string;
  readonly token: string | null;
  readonly body: Record<string, unknown>;
}

/** A server at the port of `fetch`: what it takes is the newest pair, and the one before for a while. */
class FakeServer {
  readonly requests: Request[] = [];
  readonly valid = new Set<string>();
  readonly refreshable = new Set<string>();
  /** What becomes of the next requests, instead of an answer. */
  readonly troubles: ('offline' | 'silent' | 'lost' | { code: ErrorCode; retryAfterMs?: number })[] = [];
  #pairs = 0;

  // The library asks by address alone.
  fetch: typeof fetch = async (input, { method = 'GET', headers, body, signal } = {}) => {
    const sent = new Headers(headers);
    const token = sent.get('Authorization')?.replace('Bearer ', '') ?? null;
    const path = new URL(input as string).pathname.replace('/api/v1', '');
    const given = typeof body === 'string' ? (JSON.parse(body) as Record<string, unknown>) : {};
    this.requests.push({ method, path, token, body: given });
    const trouble = this.troubles.shift();
    if (trouble === 'offline') throw new TypeError('Failed to fetch');
    if (trouble === 'silent') {
      await new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      });
    }
    if (typeof trouble === 'object') return problem(trouble.code, trouble.retryAfterMs);
    const answer = this.#answer(path, token, given);
    if (trouble === 'lost') throw new TypeError('Failed to fetch');
    return await Promise.resolve(answer);
  };

  revoke(): void {
    this.valid.clear();
    this.refreshable.clear();
  }

  paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  #answer(path: string, token: string | null, body: Record<string, unknown>): Response {
    if (path === '/auth/refresh') {
      return this.refreshable.has(String(body.refreshToken)) ? json(this.#pair()) : problem('UNAUTHENTICATED');
    }
    if (path === '/auth/login' || path === '/auth/register') return json({ user: ADA, ...this.#pair() });
    if (token === null || !this.valid.has(token)) return problem('UNAUTHENTICATED');
    if (path === '/auth/me') return json({ user: ADA });
    return new Response(null, { status: 204 });
  }

  #pair() {
    this.#pairs += 1;
    const [accessToken, refreshToken] = [`a${this.#pairs}`, `r${this.#pairs}`];
    this.valid.add(accessToken);
    this.refreshable.add(refreshToken);
    return { accessToken, refreshToken, expiresInSeconds: LIFE_SECONDS };
  }
}

function json(body: object): Response {
  return new Response(JSON.stringify(body), { status: 200 });
}

function problem(code: ErrorCode, retryAfterMs?: number): Response {
  const body = { code, detail: 'refused', requestId: 'x', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return new Response(JSON.stringify(body), { status: ERRORS[code].status });
}

const alone: TabLock = (run) => run();

const opened: Account[] = [];
afterEach(() => {
  for (const account of opened.splice(0)) account.close();
});

function setUp() {
  const time = new VirtualTime();
  const server = new FakeServer();
  const told: string[] = [];
  const open = (options: AccountOptions & { lock?: TabLock } = {}): Account => {
    const { lock = alone, ...rest } = options;
    const account = new Account({ url: 'http://tandem.test', ...rest }, { clock: time, fetch: server.fetch, lock });
    account.on('signedIn', ({ user }) => told.push(`in ${user.id}`));
    account.on('signedOut', ({ reason }) => told.push(`out ${reason}`));
    opened.push(account);
    return account;
  };
  return { time, server, told, open };
}

const credentials = { email: ADA.email, password: 'correct horse' };

/** Lets time pass until it is settled. */
async function whilePassing<T>(time: VirtualTime, promise: Promise<T>): Promise<T> {
  const progress = { isSettled: false };
  const watched = promise.finally(() => (progress.isSettled = true));
  watched.catch(() => undefined);
  for (let steps = 0; steps < 400 && !progress.isSettled; steps++) await time.pass(steps === 0 ? 0 : 100);
  return await watched;
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof TandemError) return error.code;
    throw error;
  }
}

describe('the access token', () => {
  it('is kept while it is new, and replaced a little before its end', async () => {
    const { time, server, open } = setUp();
    const account = open({ storage: null });
    expect(await account.token()).toBeNull();
    expect(await account.signIn(credentials)).toEqual(ADA);
    await time.pass((LIFE_SECONDS - 61) * 1000);
    expect(await account.token()).toBe('a1');
    await time.pass(2_000);
    expect(await Promise.all([account.token(), account.token()])).toEqual(['a2', 'a2']);
    expect(server.paths()).toEqual(['/auth/login', '/auth/refresh']);
  });

  it('is replaced after a sleep in which one of the clocks stood still', async () => {
    const { time, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    time.skewMs += LIFE_SECONDS * 1000;
    expect(await account.token()).toBe('a2');
    // Set back by a day: what passes is what counts.
    time.skewMs -= 86_400_000;
    expect(await account.token()).toBe('a2');
    await time.pass(LIFE_SECONDS * 1000);
    expect(await account.token()).toBe('a3');
  });

  it('of a reloaded page is not believed when the clock was set back meanwhile', async () => {
    const { time, open } = setUp();
    const storage = new FakeStorage();
    await open({ storage }).signIn(credentials);
    time.skewMs -= 3_600_000;
    const reloaded = open({ storage });
    expect(reloaded.user).toEqual(ADA);
    expect(await reloaded.token()).toBe('a2');
  });

  it('that the server refuses is replaced once, for a connection and for a call', async () => {
    const { server, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    await account.token();
    expect(await account.token({ isRefused: true })).toBe('a2');
    server.valid.clear();
    expect(await account.me()).toEqual(ADA);
    expect(server.requests.slice(-3).map(({ path, token }) => [path, token])).toEqual([
      ['/auth/me', 'a2'],
      ['/auth/refresh', null],
      ['/auth/me', 'a3'],
    ]);
  });
});

describe('a refresh', () => {
  it('whose answer is lost, or never comes, is repeated while the old token still gives a pair', async () => {
    const { time, server, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    for (const trouble of ['lost', 'silent'] as const) {
      await account.token();
      server.troubles.push(trouble);
      const startedAt = time.monotonic();
      await whilePassing(time, account.token({ isRefused: true }));
      expect(time.monotonic() - startedAt).toBeLessThan(9_000);
    }
    expect(server.paths().filter((path) => path === '/auth/refresh')).toHaveLength(4);
  });

  it('that fails keeps the login, and the token as long as it lasts', async () => {
    const { time, server, open, told } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    await time.pass((LIFE_SECONDS - 30) * 1000);
    server.troubles.push('offline', 'offline');
    expect(await whilePassing(time, account.token())).toBe('a1');
    await time.pass(60_000);
    server.troubles.push('offline', 'offline');
    expect(await whilePassing(time, codeOf(account.token()))).toBe('UNAVAILABLE');
    expect(await account.token()).toBe('a2');
    expect(told).toEqual(['in u1']);
  });

  it('that a limit refuses is not asked for again before its time', async () => {
    const { time, server, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    await time.pass(LIFE_SECONDS * 1000);
    server.troubles.push({ code: 'RATE_LIMITED', retryAfterMs: 30_000 });
    expect(await codeOf(account.token())).toBe('RATE_LIMITED');
    const asked = server.requests.length;
    await time.pass(10_000);
    await expect(account.token()).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 20_000 });
    expect(server.requests.length).toBe(asked);
    await time.pass(20_000);
    expect(await account.token()).toBe('a2');
  });

  it('that is refused signs out, and says so once', async () => {
    const { time, server, open, told } = setUp();
    const storage = new FakeStorage();
    const account = open({ storage });
    await account.signIn(credentials);
    await time.pass(LIFE_SECONDS * 1000);
    server.revoke();
    expect(await Promise.all([account.token(), account.token()])).toEqual([null, null]);
    expect(await codeOf(account.me())).toBe('UNAUTHENTICATED');
    expect(told).toEqual(['in u1', 'out refused']);
    expect(storage.items.size).toBe(0);
  });

  it('does not bring back who signed out meanwhile', async () => {
    const { time, server, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    await time.pass(LIFE_SECONDS * 1000);
    server.troubles.push('offline');
    const token = account.token();
    await time.pass(0);
    await account.signOut();
    expect(await whilePassing(time, token)).toBeNull();
    expect(account.user).toBeNull();
  });
});

describe('tabs', () => {
  /** As browsers have them: one after another, for each name. */
  const queue = (): Locks => {
    let last: Promise<unknown> = Promise.resolve();
    return {
      request: (_name, _options, run) => {
        const mine = last.then(run);
        last = mine.catch(() => undefined);
        return mine;
      },
    };
  };

  it.each([
    ['with Web Locks', (time: VirtualTime) => webLock('x', queue(), time)],
    ['without', (time: VirtualTime, storage: AccountStorage) => claimLock('x', storage, time)],
  ])('refresh once for all of them, %s', async (how, lockOf) => {
    const { time, server, open } = setUp();
    const storage = new FakeStorage();
    const shared = lockOf(time, storage);
    const lock = (): TabLock => (how === 'without' ? lockOf(time, storage) : shared);
    const [one, other] = [open({ storage, lock: lock() }), open({ storage, lock: lock() })];
    await one.signIn(credentials);
    await time.pass(LIFE_SECONDS * 1000);
    const tokens = await whilePassing(time, Promise.all([one.token(), other.token()]));
    expect(tokens).toEqual(['a2', 'a2']);
    expect(server.paths().filter((path) => path === '/auth/refresh')).toHaveLength(1);
  });

  it('do not wait for ever for one that is frozen', async () => {
    const { time, open } = setUp();
    const locks: Locks = {
      request: (_name, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
        }),
    };
    const account = open({ storage: null, lock: webLock('x', locks, time) });
    await account.signIn(credentials);
    await time.pass(LIFE_SECONDS * 1000);
    expect(await whilePassing(time, account.token())).toBe('a2');
  });

  it('sign in and out together', async () => {
    const { open, told } = setUp();
    const storage = new FakeStorage();
    const [one, other] = [open({ storage }), open({ storage })];
    await one.signIn(credentials);
    expect(other.user).toEqual(ADA);
    await other.signOut();
    expect(one.user).toBeNull();
    expect(told).toEqual(['in u1', 'in u1', 'out here', 'out elsewhere']);
  });
});

describe('a storage', () => {
  it.each(['full', 'forbidden'] as const)('that is %s costs no more than the reload', async (fault) => {
    const { open } = setUp();
    const storage = new FakeStorage();
    storage.fault = fault;
    const account = open({ storage });
    await account.signIn(credentials);
    expect(account.user).toEqual(ADA);
    expect(await account.token({ isRefused: true })).toBe('a1');
    expect(open({ storage }).user).toBeNull();
  });

  it.each(['', '{', 'null', '[]', '{"user":1}', JSON.stringify({ user: ADA, accessToken: 'a', refreshToken: 5 })])(
    'that holds %j holds no login',
    (text) => {
      const { open } = setUp();
      const storage = new FakeStorage();
      storage.items.set('tandem.account', text);
      expect(open({ storage }).user).toBeNull();
    },
  );
});

describe('a call', () => {
  it('stops waiting when its signal says so, with the reason of that', async () => {
    const { server, open } = setUp();
    const account = open({ storage: null });
    server.troubles.push('silent');
    const giveUp = new AbortController();
    const signingIn = account.signIn(credentials, { signal: giveUp.signal });
    giveUp.abort(new Error('enough'));
    await expect(signingIn).rejects.toThrow('enough');
  });

  it('says what the server said, and has words for what is no answer of it', async () => {
    const { server, open } = setUp();
    const account = open({ storage: null });
    server.troubles.push({ code: 'INVALID_CREDENTIALS' });
    expect(await codeOf(account.signIn(credentials))).toBe('INVALID_CREDENTIALS');
    const proxied = (status: number, text: string): Account =>
      new Account(
        { url: 'http://tandem.test', storage: null },
        { fetch: () => Promise.resolve(new Response(text, { status })) },
      );
    for (const [status, text, code] of [
      [502, '<html>', 'UNAVAILABLE'],
      [429, '', 'RATE_LIMITED'],
      [200, '<html>', 'UNAVAILABLE'],
      [200, '{"user":{}}', 'UNAVAILABLE'],
      [418, '{"code":"TEAPOT","detail":"newer"}', 'INVALID_PAYLOAD'],
    ] as const) {
      const refused = proxied(status, text);
      opened.push(refused);
      expect([status, text, await codeOf(refused.signIn(credentials))]).toEqual([status, text, code]);
    }
  });

  it('that signs out is done here even when the server cannot be told', async () => {
    const { server, open, told } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    server.troubles.push('offline');
    expect(await account.signOut()).toEqual({ isConfirmed: false });
    expect(told).toEqual(['in u1', 'out here']);
  });

  it('that signs out with a token that has run out takes a fresh one for it', async () => {
    const { server, open } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    server.valid.clear();
    expect(await account.signOut()).toEqual({ isConfirmed: true });
    expect(server.requests.at(-1)).toMatchObject({ path: '/auth/logout', token: 'a2' });
  });
});

describe('a client that is followed', () => {
  it('is told of fresh tokens, and its revocation is looked into', async () => {
    const { server, open, told } = setUp();
    const account = open({ storage: null });
    await account.signIn(credentials);
    const tokens: string[] = [];
    const listeners = new Set<(state: { kind: string }) => void>();
    const client = {
      connection: { kind: 'online' },
      session: { ended: null as { reason: string } | null },
      on: (_event: 'connection', listener: (state: { kind: string }) => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      refreshToken: (token: string) => Promise.resolve(void tokens.push(token)),
    } satisfies FollowedClient;
    const unfollow = account.follow(client);
    await account.token();
    await account.token({ isRefused: true });
    expect(tokens).toEqual(['a2']);
    const signedOut = new Promise((resolve) => account.on('signedOut', resolve));
    server.revoke();
    for (const listener of listeners) listener({ kind: 'closed' });
    // As the library does: the reason is known after the state.
    client.session.ended = { reason: 'revoked' };
    await signedOut;
    expect(told).toEqual(['in u1', 'out refused']);
    unfollow();
    expect(listeners.size).toBe(0);
  });
});
