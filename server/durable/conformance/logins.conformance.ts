import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { EndLoginsRequest } from '../../auth/ports.ts';
import { NOW } from '../../../test/support/stored-session.ts';
import {
  DAY,
  loginIds,
  newLogin,
  refreshOf,
  registered,
  revokedOf,
  REVOKED_UNTIL,
} from './accounts-stage.conformance.ts';
import { count, type Suite } from './suite.conformance.ts';

/** Devices that are signed in, and their refresh tokens. */
export function keepingLogins(suite: Suite): void {
  it('rotates a refresh token, which counts for another 10 s; used later it ends the login', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    const of = { loginId: login.id, userId: account.id };
    const [first, second] = [
      refreshOf(login.tokenHash, { now: NOW + 1000 }),
      refreshOf(login.tokenHash, { now: NOW + 10_999 }),
    ];
    expect(await accounts.refreshLogin(first)).toEqual({ kind: 'rotated', ...of });
    // Another tab; from then on each goes on by itself.
    expect(await accounts.refreshLogin(second)).toEqual({ kind: 'rotated', ...of });
    for (const { nextHash } of [first, second]) {
      expect(await accounts.refreshLogin(refreshOf(nextHash, { now: NOW + DAY }))).toMatchObject({ kind: 'rotated' });
    }
    expect(await loginIds(accounts, account.id)).toEqual([login.id]);
    expect(await revokedOf(accounts, login.id)).toEqual([]);
    const stolen = refreshOf(login.tokenHash, { now: NOW + 11_000 });
    expect(await accounts.refreshLogin(stolen)).toEqual({ kind: 'reused', ...of });
    expect(await loginIds(accounts, account.id)).toEqual([]);
    expect(await revokedOf(accounts, login.id)).toEqual([
      { kind: 'login', subject: login.id, notBefore: null, expiresAt: REVOKED_UNTIL },
    ]);
    for (const tokenHash of [login.tokenHash, first.nextHash, stolen.nextHash]) {
      expect(await accounts.refreshLogin(refreshOf(tokenHash, { now: NOW + DAY }))).toEqual({ kind: 'unknown' });
    }
  });

  it('gives every one of several tabs a pair that refresh at the same instant', async () => {
    const { login } = await registered(suite.accounts);
    const used = count(4).map(() => suite.accounts.refreshLogin(refreshOf(login.tokenHash)));
    expect((await Promise.all(used)).map(({ kind }) => kind)).toEqual(['rotated', 'rotated', 'rotated', 'rotated']);
  });

  it('knows no token that was never given or has expired, nor one of a login that has ended', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    const unknown = { kind: 'unknown' };
    expect(await accounts.refreshLogin(refreshOf(`token of ${randomUUID()}`))).toEqual(unknown);
    expect(await accounts.refreshLogin(refreshOf(login.tokenHash, { now: NOW + 7 * DAY }))).toEqual(unknown);
    const inTime = refreshOf(login.tokenHash, { now: NOW + 7 * DAY - 1 });
    expect(await accounts.refreshLogin(inTime)).toMatchObject({ kind: 'rotated' });
    await accounts.endLogins(ending(account.id));
    const ended = refreshOf(inTime.nextHash, { now: NOW + 7 * DAY });
    expect(await accounts.refreshLogin(ended)).toEqual(unknown);
  });

  it('shows the devices of a user, the last used first, without what has ended or expired', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    const phone = newLogin(account.id, { ip: null, userAgent: null, now: NOW + 5 });
    const tablet = newLogin(account.id, { now: NOW + 6, expiresAt: NOW + DAY });
    const lost = newLogin(account.id, { now: NOW + 7 });
    for (const device of [phone, tablet, lost]) await accounts.beginLogin(device, account.passwordHash);
    await accounts.endLogins({ ...ending(account.id), loginIds: [lost.id] });
    const used = { ip: '2001:db8::1', userAgent: null, now: NOW + 9 };
    await accounts.refreshLogin(refreshOf(login.tokenHash, used));
    expect(await accounts.logins(account.id, NOW + 10, 10)).toEqual([
      // Where it was last used; what this did not tell stays as it was.
      { id: login.id, ip: '2001:db8::1', userAgent: 'Firefox', createdAt: NOW, lastUsedAt: NOW + 9 },
      { id: tablet.id, ip: '192.0.2.1', userAgent: 'Firefox', createdAt: NOW + 6, lastUsedAt: NOW + 6 },
      { id: phone.id, ip: null, userAgent: null, createdAt: NOW + 5, lastUsedAt: NOW + 5 },
    ]);
    expect((await accounts.logins(account.id, NOW + 10, 2)).map(({ id }) => id)).toEqual([login.id, tablet.id]);
    expect(await loginIds(accounts, account.id, NOW + DAY)).toEqual([login.id, phone.id]);
    expect(await loginIds(accounts, account.id, NOW + 8 * DAY)).toEqual([]);
    expect(await accounts.loginEndsAt(tablet.id, NOW + DAY - 1)).toBe(NOW + DAY);
    for (const id of [tablet.id, lost.id, randomUUID(), 'no id']) {
      expect(await accounts.loginEndsAt(id, NOW + DAY)).toBeNull();
    }
  });

  it('ends all logins that began until then, and none that began since', async () => {
    const { accounts } = suite;
    const { account, login } = await registered(accounts);
    const later = newLogin(account.id, { now: NOW + 60_000 });
    await accounts.beginLogin(later, account.passwordHash);
    // As when it could not be stored at that time, or is told again.
    expect(await accounts.endLogins({ ...ending(account.id), now: NOW + 1 })).toEqual([login.id]);
    expect(await accounts.endLogins({ ...ending(account.id), now: NOW + 1 })).toEqual([]);
    expect(await loginIds(accounts, account.id, NOW + 60_000)).toEqual([later.id]);
    expect(await accounts.endLogins({ ...ending(account.id), loginIds: [later.id], now: NOW + 2 })).toEqual([later.id]);
  });

  it('ends chosen logins, all but one, or all, of this user alone, and says which', async () => {
    const { accounts } = suite;
    const [one, other] = [await registered(accounts), await registered(accounts)];
    const [phone, tablet] = [newLogin(one.account.id), newLogin(one.account.id)];
    for (const device of [phone, tablet]) await accounts.beginLogin(device, one.account.passwordHash);
    const end = (change: Partial<EndLoginsRequest>) => accounts.endLogins({ ...ending(one.account.id), ...change });
    expect(await end({ loginIds: [] })).toEqual([]);
    const chosen = [phone.id, other.login.id, 'no id', randomUUID()];
    expect(await end({ loginIds: chosen })).toEqual([phone.id]);
    expect(await end({ loginIds: chosen })).toEqual([]);
    expect(await end({ keep: one.login.id })).toEqual([tablet.id]);
    expect(await loginIds(accounts, one.account.id)).toEqual([one.login.id]);
    expect(await end({ keep: 'no id' })).toEqual([one.login.id]);
    expect(await loginIds(accounts, other.account.id)).toEqual([other.login.id]);
    for (const { id } of [phone, tablet, one.login]) expect(await revokedOf(accounts, id)).toHaveLength(1);
    expect(await revokedOf(accounts, other.login.id)).toEqual([]);
  });
}

function ending(userId: string): EndLoginsRequest {
  return { userId, loginIds: null, keep: null, reason: 'logout', now: NOW, revokedUntil: REVOKED_UNTIL };
}
