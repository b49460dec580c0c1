/** The time of an answer tells who has an account only if the work differs: here it is counted, in `bench/` it is timed. */
import { describe, expect, it, jest } from '@jest/globals';
import { Cache } from '../cache/cache.ts';
import { MemoryCache } from '../state/memory/memory-cache.ts';
import { MemoryRevocations } from '../state/memory/memory-revocations.ts';
import { AccessTokens } from './access-tokens.ts';
import { AccountService } from './account-service.ts';
import { LoginThrottle } from './login-throttle.ts';
import { MemoryAccounts } from './memory-accounts.conformance.ts';
import { PasswordRules } from './password-rules.ts';
import { Passwords } from './passwords.ts';
import { RevocationTerms } from './revocation-terms.ts';
import { Revocations } from './revocations.ts';

const PASSWORD = 'a password of this test';

describe('a login that is refused', () => {
  it('has cost one look for the account and one check of a hash, whether there is an account or not', async () => {
    const now = () => 1_800_000_000_000;
    const store = new MemoryAccounts();
    const passwords = new Passwords();
    const revocations = new Revocations({ store, feed: new MemoryRevocations(), now, onFault: () => undefined });
    const names = { issuer: 'tandem', audience: 'tandem', secrets: ['a secret of this test, long enough to sign'] };
    const tokens = new AccessTokens({ ...names, ttlMs: 900_000, foreign: [], accounts: store, now });
    const waits: number[] = [];
    const accounts = new AccountService({
      ...{ store, passwords, tokens, revocations, now, refreshTtlMs: 900_000, registrationOpen: true },
      cache: new Cache({ store: new MemoryCache({ now }) }),
      terms: new RevocationTerms({ lifeMs: tokens.lifeMs, now }),
      rules: PasswordRules.load(),
      throttle: new LoginThrottle({ now, wait: (ms) => Promise.resolve(waits.push(ms)) }),
      onReuse: () => undefined,
    });
    const device = { ip: null, userAgent: null };
    await accounts.register({ email: 'ann@example.org', password: PASSWORD, name: null }, device);
    const [looks, checks] = [jest.spyOn(store, 'findByEmail'), jest.spyOn(passwords, 'verify')];
    const work: unknown[] = [];
    for (const email of ['ann@example.org', 'bob@example.org']) {
      looks.mockClear();
      checks.mockClear();
      const login = accounts.login({ email, password: `${PASSWORD}!` }, device);
      await expect(login).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
      work.push([looks.mock.calls.length, checks.mock.calls.length, [...waits]]);
    }
    expect(work).toEqual([
      [1, 1, []],
      [1, 1, []],
    ]);
  });
});
