import { describe, expect, it } from '@jest/globals';
import { fragmentOf, routeOf } from './route.ts';

const ID = '0190a000-0000-7000-8000-000000000001';

describe('the address', () => {
  it.each(['#/', '#/sessions', `#/sessions/${ID}`, '#/users', `#/users/${ID}`])(
    '%s leads there and back',
    (fragment) => {
      expect(fragmentOf(routeOf(fragment))).toBe(fragment);
    },
  );

  it.each(['', '#', '#/nowhere', '#/sessions/a/b', '#sessions//x'])('%j is the overview', (fragment) => {
    expect(routeOf(fragment)).toEqual({ kind: 'overview' });
  });

  it('holds ids of sessions and nothing else', () => {
    expect(routeOf('#/sessions/%3Cscript%3E')).toEqual({ kind: 'sessions' });
  });

  it.each(['auth0|1234', '@ada:example.org', 'spiffe://example.org/ada', '100 % / ä?#', 'oidc|ada@example.org'])(
    'holds the id %j, which a foreign issuer gave to a user',
    (userId) => {
      const fragment = fragmentOf({ kind: 'users', userId });
      expect(fragment).toMatch(/^#\/users\/[^|@:/ ]+$/);
      expect(routeOf(fragment)).toEqual({ kind: 'users', userId });
    },
  );

  it.each(['ada@example.com', 'Ada.Lovelace+x@mail.example.co.uk'])('never holds the e-mail address %s', (userId) => {
    expect(fragmentOf({ kind: 'users', userId })).toBe('#/users');
    expect(routeOf(`#/users/${userId}`)).toEqual({ kind: 'users', userId: null });
    expect(routeOf(`#/users/${encodeURIComponent(userId)}`)).toEqual({ kind: 'users', userId: null });
  });

  it.each(['%', '%C3', '%00', 'a'.repeat(257), ''])('takes %j for no user', (text) => {
    expect(routeOf(`#/users/${text}`)).toEqual({ kind: 'users', userId: null });
  });

  it('is that of all users where an id cannot stand in it', () => {
    expect(fragmentOf({ kind: 'users', userId: 'half \ud800' })).toBe('#/users');
  });
});
