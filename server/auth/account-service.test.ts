import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TandemError } from '../../protocol/errors.ts';
import { MemoryRevocations } from '../state/memory/memory-revocations.ts';
import { Cache } from '../cache/cache.ts';
import { MemoryCache } from '../state/memory/memory-cache.ts';
import { AccessTokens } from './access-tokens.ts';
import { AccountService, type SignedIn } from './account-service.ts';
import { Authenticator } from './authenticator.ts';
import { foreignId, type Identity } from './identity.ts';
import { LoginThrottle } from './login-throttle.ts';
import { MemoryAccounts } from './memory-accounts.conformance.ts';
import { PasswordRules } from './password-rules.ts';
import { Passwords } from './passwords.ts';
import type { FeedReading, Revocation, RevocationFeed } from './ports.ts';
import { RevocationTerms } from './revocation-terms.ts';
import { Revocations } from './revocations.ts';
import { SignOut } from './sign-out.ts';

const DAY = 86_400_000;
const PASSWORD = 'a password of this test';
const DEVICE = { ip: '192.0.2.1', userAgent: 'Firefox' };

let passwords: Passwords;
const rules = PasswordRules.load();

beforeAll(() => {
  passwords = new Passwords();
});

/** As in Redis: what is published outlives this process. */
class KeepingFeed implements RevocationFeed {
  readonly #kept: Revocation[] = [];

  publish(revocations: readonly Revocation[]): Promise<boolean> {
    this.#kept.push(...revocations);
    return Promise.resolve(true);
  }

  changes(): Promise<FeedReading> {
    return Promise.resolve({ revocations: this.#kept, asOf: 0, epoch: 'kept' });
  }

  onPublished(): void {
    // There is no other instance.
  }
}

let now: number;
let store: MemoryAccounts;
let feed: RevocationFeed;
let revocations: Revocations;
let tokens: AccessTokens;
let waits: number[];
let reuses: number;
let outcomes: (string | null)[];
let accounts: AccountService;
let signOut: SignOut;
let authenticator: Authenticator;

beforeEach(() => {
  now = 1_800_000_000_400;
  store = new MemoryAccounts();
  feed = new KeepingFeed();
  return build();
});

async function build(registrationOpen = true): Promise<void> {
  const clock = () => now;
  waits = [];
  reuses = 0;
  outcomes = [];
  revocations = new Revocations({ store, feed, now: clock, monotonic: () => 0, onFault: () => undefined });
  await revocations.readFeed();
  const names = { issuer: 'tandem', audience: 'tandem' };
  const secrets = ['a secret of this test, long enough to sign'];
  tokens = new AccessTokens({ ...names, secrets, ttlMs: 900_000, foreign: [], accounts: store, now: clock });
  const terms = new RevocationTerms({ lifeMs: tokens.lifeMs, now: clock });
  const refreshTtlMs = 7 * DAY;
  const cache = new Cache({ store: new MemoryCache({ now: clock }) });
  accounts = new AccountService({
    ...{ store, cache, tokens, revocations, terms, passwords, rules, registrationOpen, refreshTtlMs, now: clock },
    throttle: new LoginThrottle({ now: clock, wait: (ms) => Promise.resolve(waits.push(ms)) }),
    onReuse: () => (reuses += 1),
  });
  signOut = new SignOut({ store, revocations, cache, terms, refreshTtlMs, now: clock });
  authenticator = new Authenticator({ tokens, revocations, onOutcome: (...outcome) => outcomes.push(...outcome) });
}

function register(email = 'Ann@Example.org'): Promise<SignedIn> {
  return accounts.register({ email, password: PASSWORD, name: 'Ann' }, DEVICE);
}

const refusal = (code: string) => expect.objectContaining({ code }) as unknown;
const authenticate = (signedIn: { accessToken: string }) => authenticator.authenticate(signedIn.accessToken);
const isSignedOut = (signedIn: { accessToken: string }) =>
  expect(authenticate(signedIn)).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
    message: 'A valid token is required',
  });

describe('an account', () => {
  it('is registered with a login, and signed in with its address in any case', async () => {
    const registered = await register();
    expect(registered).toEqual({
      user: { id: registered.user.id, email: 'Ann@Example.org', name: 'Ann', createdAt: now },
      ...{ accessToken: expect.any(String), refreshToken: expect.stringMatching(/^[\w-]{43}$/), expiresInSeconds: 900 },
    });
    now += 1;
    const again = await accounts.login({ email: 'ann@example.ORG', password: PASSWORD }, { ip: null, userAgent: null });
    expect(again.user).toEqual(registered.user);
    const identity = await authenticate(again);
    expect(identity).toMatchObject({ kind: 'own', userId: registered.user.id });
    expect(await accounts.me(identity)).toEqual(registered.user);
    const logins = await accounts.logins(identity);
    // The newest first.
    expect(logins.map(({ ip, userAgent, current }) => ({ ip, userAgent, current }))).toEqual([
      { ip: null, userAgent: null, current: true },
      { ...DEVICE, current: false },
    ]);
    // Neither is stored in a way that would give it away.
    const stored = JSON.stringify([...store.users.values()]);
    expect(stored).not.toContain(PASSWORD);
    expect(store.users.get(registered.user.id)?.passwordHash).toMatch(/^\$argon2id\$/);
    await expect(register('ANN@example.org')).rejects.toEqual(refusal('EMAIL_TAKEN'));
  });

  it('is not registered where nobody may, nor under a bad address or password', async () => {
    const bad = accounts.register({ email: 'a@[192.0.2.1]', password: 'short', name: null }, DEVICE);
    await expect(bad).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      issues: [{ path: 'email' }, { path: 'password' }],
    });
    await build(false);
    await expect(register()).rejects.toEqual(refusal('FORBIDDEN'));
    expect(store.calls).not.toContain('register');
  });

  it('is refused in the same words and later and later, whether it is there or not', async () => {
    await register();
    const answersFor = async (email: string) => {
      const answers: unknown[] = [];
      for (let count = 0; count < 5; count += 1) {
        const login = accounts.login({ email, password: 'another password' }, DEVICE);
        answers.push(await login.catch((error: unknown) => (error as TandemError).toWire()));
      }
      const pauses = waits;
      waits = [];
      return { answers, pauses };
    };
    const known = await answersFor('ann@example.org');
    expect(known.answers[0]).toEqual({
      ...{ code: 'INVALID_CREDENTIALS', message: 'The e-mail address or the password is wrong', retryable: false },
    });
    expect(known.pauses).toEqual([250, 500]);
    for (const email of ['nobody@example.org', 'no address']) expect(await answersFor(email)).toEqual(known);
    // The owner waits, and comes in.
    await accounts.login({ email: 'ann@example.org', password: PASSWORD }, DEVICE);
    expect(waits).toEqual([1000]);
  });

  it('gets a new password with the old one; every other login ends', async () => {
    const [first, second] = [
      await register(),
      await accounts.login({ email: 'ann@example.org', password: PASSWORD }, DEVICE),
    ];
    const identity = await authenticate(second);
    const next = 'another password of this test';
    const change = (current: string, to: string) => accounts.changePassword(identity, { current, next: to });
    await expect(change(PASSWORD, 'password1')).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      issues: [{ path: 'next' }],
    });
    await expect(change('wrong', next)).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
    await change(PASSWORD, next);
    await isSignedOut(first);
    await expect(accounts.refresh(first.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    // In the same millisecond: those that stay, and those that come.
    await authenticate(second);
    await authenticate(await accounts.refresh(second.refreshToken, DEVICE));
    await authenticate(await accounts.login({ email: 'ann@example.org', password: next }, DEVICE));
    const old = accounts.login({ email: 'ann@example.org', password: PASSWORD }, DEVICE);
    await expect(old).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
  });

  it('that is gone has no tokens that count', async () => {
    const signedIn = await register();
    const identity = await authenticate(signedIn);
    await signOut.deleteUser(signedIn.user.id);
    await isSignedOut(signedIn);
    await expect(accounts.me(identity)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    await expect(accounts.refresh(signedIn.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
  });
});

describe('a login', () => {
  it('goes on with a new pair, and ends when a token that was replaced is used later', async () => {
    const signedIn = await register();
    const told: string[] = [];
    revocations.onRevoked((revoked) => told.push(...revoked.map(({ kind }) => kind)));
    const next = await accounts.refresh(signedIn.refreshToken, DEVICE);
    now += 9999;
    const tab = await accounts.refresh(signedIn.refreshToken, DEVICE);
    expect((await authenticate(next)).loginId).toBe((await authenticate(tab)).loginId);
    now += 1;
    await expect(accounts.refresh(signedIn.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    expect(reuses).toBe(1);
    expect(told).toEqual(['login']);
    for (const pair of [signedIn, next, tab]) await isSignedOut(pair);
    await expect(accounts.refresh(tab.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    expect(outcomes.slice(-2)).toEqual(['refused', 'The token is refused: revoked']);
  });

  it('takes no access token for a refresh token, nor anything else', async () => {
    const { accessToken } = await register();
    for (const token of [accessToken, '', 'x'.repeat(100_000), '\u0000']) {
      await expect(accounts.refresh(token, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    }
  });

  it("ends alone, with all, or from another device of its user, and from nobody else's", async () => {
    const signIn = () => accounts.login({ email: 'ann@example.org', password: PASSWORD }, DEVICE);
    const [one, two, three] = [await register(), await signIn(), await signIn()];
    const stranger = await authenticate(await register('bob@example.org'));
    const [first, second] = [await authenticate(one), await authenticate(two)];
    await signOut.logout(first);
    await isSignedOut(one);
    await expect(accounts.refresh(one.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    const others = (await accounts.logins(second)).filter(({ current }) => !current).map(({ id }) => id);
    expect(others).toHaveLength(1);
    for (const id of [...others, 'no uuid', randomUUID()]) expect(await signOut.endLogin(stranger, id)).toBe(false);
    await authenticate(three);
    expect(await signOut.endLogin(second, others[0] ?? '')).toBe(true);
    await isSignedOut(three);
    const four = await signIn();
    await signOut.logoutAll(second);
    for (const pair of [two, four]) await isSignedOut(pair);
    await authenticate(await signIn());
  });

  it('of a token that somebody else signed with the secret ends too, though nobody knows that login', async () => {
    const { accessToken } = await tokens.issue('no account', 'no login of ours');
    const identity = await authenticator.authenticate(accessToken);
    for (const end of [() => signOut.logout(identity), () => signOut.logoutAll(identity)]) await end();
    await isSignedOut({ accessToken });
    expect([...store.kept.keys()]).toContain('login no login of ours');
    expect(await accounts.logins(identity)).toEqual([]);
    expect(await signOut.endLogin(identity, 'no login of ours')).toBe(false);
  });

  it('ends while the database is away, for its refresh token too, even if nobody tells the database', async () => {
    const [one, two] = [await register('bob@example.org'), await register()];
    const [first, second] = [await authenticate(one), await authenticate(two)];
    store.isAway = true;
    await signOut.logout(first);
    await isSignedOut(one);
    await signOut.logoutAll(second);
    await isSignedOut(two);
    store.isAway = false;
    now += 6 * DAY;
    await build();
    for (const { refreshToken } of [one, two]) {
      await expect(accounts.refresh(refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
    }
    await authenticate(await accounts.login({ email: 'ann@example.org', password: PASSWORD }, DEVICE));
  });

  it('is not said to have ended when that would not outlive this process', async () => {
    feed = new MemoryRevocations();
    await build();
    const signedIn = await register();
    const identity = await authenticate(signedIn);
    store.isAway = true;
    await expect(signOut.logout(identity)).rejects.toEqual(refusal('UNAVAILABLE'));
    await isSignedOut(signedIn);
    store.isAway = false;
    await revocations.writePending();
    await expect(accounts.refresh(signedIn.refreshToken, DEVICE)).rejects.toEqual(refusal('UNAUTHENTICATED'));
  });
});

describe('a user of a foreign issuer', () => {
  const foreign = (own: Partial<Identity> = {}): Identity => ({
    ...{ userId: 'them', kind: 'foreign', loginId: foreignId('login'), tokenId: foreignId('token') },
    ...{ issuedAt: now - 1000, expiresAt: now + 3_600_000, ...own },
  });

  it('signs out here, of a token and its login, or of all', async () => {
    await signOut.logout(foreign());
    expect(revocations.isRevoked(foreign())).toBe(true);
    expect(revocations.isRevoked(foreign({ tokenId: foreignId('another') }))).toBe(true);
    const nameless = foreign({ loginId: null, tokenId: foreignId('another') });
    expect(revocations.isRevoked(nameless)).toBe(false);
    await signOut.logout(nameless);
    expect(revocations.isRevoked(nameless)).toBe(true);
    const third = foreign({ loginId: null, tokenId: foreignId('third') });
    await signOut.logoutAll(third);
    expect(revocations.isRevoked(third)).toBe(true);
    expect(revocations.isRevoked({ ...third, issuedAt: now + 1000 })).toBe(false);
    expect(store.calls).not.toContain('endLogins');
  });

  it('has no account here', async () => {
    expect(await accounts.me(foreign())).toEqual({ id: 'them', email: null, name: null, createdAt: null });
    expect(await accounts.logins(foreign())).toEqual([]);
    const change = accounts.changePassword(foreign(), { current: PASSWORD, next: PASSWORD });
    await expect(change).rejects.toEqual(refusal('FORBIDDEN'));
  });
});
