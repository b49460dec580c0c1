import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { NOW } from '../../../test/support/stored-session.ts';
import { loginIds, newAccount, newLogin, registered, revokedOf, REVOKED_UNTIL } from './accounts-stage.conformance.ts';
import type { Suite } from './suite.conformance.ts';

/** Accounts and their passwords. */
export function keepingAccounts(suite: Suite): void {
  it('gives an address to one of several who register it at the same instant', async () => {
    const { accounts } = suite;
    const { email, emailKey } = newAccount();
    const asked = ['One', 'Two', 'Three', 'Four'].map((name) => newAccount({ email, emailKey, name }));
    const before = await accounts.countUsers();
    const made = await Promise.all(asked.map((account) => accounts.register(account, newLogin(account.id))));
    expect(made.toSorted()).toEqual([false, false, false, true]);
    const winner = asked[made.indexOf(true)];
    expect(await accounts.findByEmail(emailKey)).toMatchObject({ user: { id: winner?.id, name: winner?.name } });
    expect(await accounts.countUsers()).toBe(before + 1);
    for (const account of asked) {
      expect(await loginIds(accounts, account.id)).toHaveLength(account === winner ? 1 : 0);
    }
  });

  it('finds an account by its key and by its id, as it was registered', async () => {
    const { accounts } = suite;
    const account = newAccount({ name: null, passwordHash: '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA' });
    expect(await accounts.register(account, newLogin(account.id))).toBe(true);
    const { id, email, passwordHash } = account;
    const found = { user: { id, email, name: null, createdAt: NOW }, passwordHash };
    expect(await accounts.findByEmail(account.emailKey)).toEqual(found);
    expect(await accounts.findUser(id)).toEqual(found);
    // Compared is the key alone, and as it is.
    expect(await accounts.findByEmail(email)).toBeNull();
    expect(await accounts.findUser(randomUUID())).toBeNull();
  });

  it('knows no user whose id is no UUID, in any question', async () => {
    const { accounts } = suite;
    for (const userId of ['auth0|1', '', `{${randomUUID()}}`, "'; drop table users; --"]) {
      expect(await accounts.findUser(userId)).toBeNull();
      expect(await accounts.logins(userId, NOW, 10)).toEqual([]);
      const ending = { loginIds: null, keep: null, now: NOW, revokedUntil: REVOKED_UNTIL };
      expect(await accounts.endLogins({ userId, ...ending, reason: 'logout_all' })).toEqual([]);
      await expect(accounts.beginLogin(newLogin(userId), '$argon2id$1')).rejects.toMatchObject({
        code: 'INVALID_CREDENTIALS',
      });
    }
  });

  it('changes a password that is still the one that was checked, and ends all logins but one', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    const phone = newLogin(account.id);
    await accounts.beginLogin(phone, account.passwordHash);
    const change = { userId: account.id, keep: login.id, now: NOW + 1, revokedUntil: REVOKED_UNTIL };
    const given = { ...change, knownHash: '$argon2id$1', nextHash: '$argon2id$2' };
    expect(await accounts.changePassword({ ...given, knownHash: '$argon2id$0' })).toBeNull();
    expect(await accounts.changePassword({ ...given, userId: randomUUID() })).toBeNull();
    expect(await loginIds(accounts, account.id)).toHaveLength(2);
    expect(await accounts.changePassword(given)).toEqual([phone.id]);
    expect(await accounts.findUser(account.id)).toMatchObject({ passwordHash: '$argon2id$2' });
    // A password that was checked before the change, and signs in after it.
    const late = accounts.beginLogin(newLogin(account.id), '$argon2id$1');
    await expect(late).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(await loginIds(accounts, account.id)).toEqual([login.id]);
    expect(await revokedOf(accounts, phone.id)).toHaveLength(1);
    // The same once more: the hash is stale by now.
    expect(await accounts.changePassword(given)).toBeNull();
  });

  it('ends no login when the last change of a password left none to end', async () => {
    const { account, login } = await registered(suite.accounts);
    const change = { userId: account.id, keep: login.id, now: NOW, revokedUntil: REVOKED_UNTIL };
    const given = { ...change, knownHash: '$argon2id$1', nextHash: '$argon2id$2' };
    expect(await suite.accounts.changePassword(given)).toEqual([]);
  });

  it('lets an account go with its logins, and what was issued to it no longer count', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    // As another's notice may spell it.
    const spelled = account.id.toUpperCase();
    await accounts.deleteUser(spelled, NOW, REVOKED_UNTIL);
    expect(await accounts.findUser(account.id)).toBeNull();
    expect(await accounts.findByEmail(account.emailKey)).toBeNull();
    expect(await loginIds(accounts, account.id)).toEqual([]);
    const revoked = { kind: 'user', notBefore: NOW, expiresAt: REVOKED_UNTIL };
    expect(await revokedOf(accounts, account.id)).toEqual([{ ...revoked, subject: account.id }]);
    expect(await revokedOf(accounts, spelled)).toEqual([{ ...revoked, subject: spelled }]);
    await expect(accounts.beginLogin({ ...login, id: randomUUID() }, account.passwordHash)).rejects.toMatchObject({
      code: 'INVALID_CREDENTIALS',
    });
    // The address is free again.
    const again = newAccount({ email: account.email, emailKey: account.emailKey });
    expect(await accounts.register(again, newLogin(again.id))).toBe(true);
  });

  it('revokes what a user without an account here holds', async () => {
    const { accounts } = suite;
    for (const subject of [`auth0|${randomUUID()}`, randomUUID(), "o'brien"]) {
      await accounts.deleteUser(subject, NOW, REVOKED_UNTIL);
      await accounts.deleteUser(subject, NOW - 5, REVOKED_UNTIL - 5);
      const revoked = { kind: 'user', subject, notBefore: NOW, expiresAt: REVOKED_UNTIL };
      expect(await revokedOf(accounts, subject)).toEqual([revoked]);
    }
  });
}
