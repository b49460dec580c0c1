/** Accounts and logins as they are handed to a store, in tests. */
import { randomUUID } from 'node:crypto';
import type { AccountStore, NewAccount, NewLogin, RefreshRequest, Revocation } from '../../auth/ports.ts';
import { NOW } from '../../../test/support/stored-session.ts';

export const DAY = 24 * 3_600_000;
/** Of access tokens; the databases of tests go by their own clocks, which are behind this. */
export const REVOKED_UNTIL = NOW + DAY;

export function newAccount(overrides: Partial<NewAccount> = {}): NewAccount {
  const id = randomUUID();
  const email = `Ada.${id}@Example.org`;
  return {
    id,
    email,
    emailKey: email.toLowerCase(),
    name: 'Ada',
    passwordHash: '$argon2id$1',
    now: NOW,
    ...overrides,
  };
}

export function newLogin(userId: string, overrides: Partial<NewLogin> = {}): NewLogin {
  return {
    id: randomUUID(),
    userId,
    tokenHash: `token of ${randomUUID()}`,
    ip: '192.0.2.1',
    userAgent: 'Firefox',
    now: NOW,
    expiresAt: NOW + 7 * DAY,
    ...overrides,
  };
}

export function refreshOf(tokenHash: string, overrides: Partial<RefreshRequest> = {}): RefreshRequest {
  const now = overrides.now ?? NOW;
  return {
    tokenHash,
    nextHash: `token of ${randomUUID()}`,
    ip: null,
    userAgent: null,
    now,
    expiresAt: now + 7 * DAY,
    revokedUntil: REVOKED_UNTIL,
    ...overrides,
  };
}

/** A user with one device. */
export async function registered(accounts: AccountStore): Promise<{ account: NewAccount; login: NewLogin }> {
  const account = newAccount();
  const login = newLogin(account.id);
  if (!(await accounts.register(account, login))) throw new Error('The address is new');
  return { account, login };
}

export async function loginIds(accounts: AccountStore, userId: string, now: number = NOW): Promise<string[]> {
  return (await accounts.logins(userId, now, 100)).map(({ id }) => id);
}

/** What the store says of a subject; other tests have revocations there too. */
export async function revokedOf(accounts: AccountStore, subject: string): Promise<Revocation[]> {
  const { revocations } = await accounts.revocations(null, 1_000_000);
  return revocations.filter((one) => one.subject === subject);
}
