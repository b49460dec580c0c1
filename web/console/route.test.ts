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

  it('holds ids and nothing else', () => {
    expect(routeOf('#/sessions/%3Cscript%3E')).toEqual({ kind: 'sessions' });
    expect(routeOf('#/users/ada@example.com')).toEqual({ kind: 'users', userId: null });
  });
});
