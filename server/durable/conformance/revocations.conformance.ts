import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { Revocation } from '../../auth/ports.ts';
import { NOW } from '../../../test/support/stored-session.ts';
import { revokedOf, REVOKED_UNTIL } from './accounts-stage.conformance.ts';
import { count, type Suite } from './suite.conformance.ts';

/** What no longer counts. Other tests revoke here too, so a test looks for its own. */
export function revoking(suite: Suite): void {
  it('never takes a revocation back: it only grows', async () => {
    const { accounts } = suite;
    const [user, token] = [`auth0|${randomUUID()}`, randomUUID()];
    const until = (notBefore: number, expiresAt: number) => ({
      kind: 'user' as const,
      subject: user,
      notBefore,
      expiresAt,
    });
    await accounts.revoke([until(NOW, REVOKED_UNTIL), login(token)]);
    await accounts.revoke([until(NOW - 9, REVOKED_UNTIL - 9), { ...login(token), expiresAt: REVOKED_UNTIL - 9 }]);
    expect(await revokedOf(accounts, user)).toEqual([until(NOW, REVOKED_UNTIL)]);
    expect(await revokedOf(accounts, token)).toEqual([login(token)]);
    // One of the two grows, and one subject stands twice in a call.
    await accounts.revoke([until(NOW + 7, REVOKED_UNTIL - 9), until(NOW + 3, REVOKED_UNTIL + 3)]);
    expect(await revokedOf(accounts, user)).toEqual([until(NOW + 7, REVOKED_UNTIL + 3)]);
    await accounts.revoke([]);
  });

  it('tells one kind of subject from another', async () => {
    const subject = randomUUID();
    const kinds: Revocation[] = [
      login(subject),
      { ...login(subject), kind: 'token' },
      { kind: 'user', subject, notBefore: NOW, expiresAt: REVOKED_UNTIL },
    ];
    await suite.accounts.revoke(kinds);
    const found = await revokedOf(suite.accounts, subject);
    expect(found.toSorted((one, other) => one.kind.localeCompare(other.kind))).toEqual(kinds);
  });

  it('gives what came since, and what has expired never', async () => {
    const { accounts } = suite;
    const [user, first, second, late] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const grown = (notBefore: number) => ({
      kind: 'user' as const,
      subject: user,
      notBefore,
      expiresAt: REVOKED_UNTIL,
    });
    await accounts.revoke([grown(NOW), login(first)]);
    const { revocations: all, asOf, more } = await accounts.revocations(null, 1_000_000);
    expect(more).toBe(false);
    expect(all).toEqual(expect.arrayContaining([grown(NOW), login(first)]));
    await accounts.revoke([login(second), { ...login(late), expiresAt: 1 }]);
    await accounts.revoke([grown(NOW + 1)]);
    const next = await accounts.revocations(asOf, 1_000_000);
    expect(next.revocations).toEqual(expect.arrayContaining([grown(NOW + 1), login(second)]));
    expect(next.revocations.map(({ subject }) => subject)).not.toContain(late);
    // In the order of the changes, so that who stops midway has missed only later ones.
    const places = [second, user].map((one) => next.revocations.findIndex(({ subject }) => subject === one));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(next.asOf).toBeGreaterThanOrEqual(asOf);
  });

  it('goes through what there is in parts, also of one call', async () => {
    const { accounts } = suite;
    const start = await endOf(suite);
    const subjects = count(25).map(() => randomUUID());
    await accounts.revoke(subjects.map(login));
    const found: string[] = [];
    let since = start;
    for (let more = true; more;) {
      const part = await accounts.revocations(since, 4);
      // Such as changed within one microsecond are not parted.
      expect(part.revocations.length).toBeLessThan(4 + 25);
      if (part.more) expect(part.asOf).toBeGreaterThan(since);
      found.push(...part.revocations.map(({ kind, subject }) => `${kind} ${subject}`));
      ({ more, asOf: since } = part);
    }
    expect(found).toEqual(expect.arrayContaining(subjects.map((subject) => `login ${subject}`)));
    expect(new Set(found).size).toBe(found.length);
  });
}

function login(subject: string): Revocation & { kind: 'login' | 'token' } {
  return { kind: 'login', subject, notBefore: null, expiresAt: REVOKED_UNTIL };
}

/** Behind the last change: a store gives those of its last seconds again. */
async function endOf({ accounts }: Suite): Promise<number> {
  return (await accounts.revocations(null, 1_000_000)).asOf;
}
