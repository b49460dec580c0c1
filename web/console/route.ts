/** What the address asks for; it stands in the fragment, which no server sees. */
export type Route =
  | { readonly kind: 'overview' }
  | { readonly kind: 'sessions' }
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'users'; readonly userId: string | null };

const ID = /^[0-9a-zA-Z-]{1,64}$/;

/** Anything else is the overview. */
export function routeOf(fragment: string): Route {
  const [first = '', second = '', ...more] = fragment.replace(/^#\/?/, '').split('/');
  if (more.length > 0) return { kind: 'overview' };
  if (first === 'sessions') return ID.test(second) ? { kind: 'session', sessionId: second } : { kind: 'sessions' };
  if (first === 'users') return { kind: 'users', userId: ID.test(second) ? second : null };
  return { kind: 'overview' };
}

export function fragmentOf(route: Route): string {
  switch (route.kind) {
    case 'overview':
      return '#/';
    case 'sessions':
      return '#/sessions';
    case 'session':
      return `#/sessions/${route.sessionId}`;
    case 'users':
      return route.userId === null ? '#/users' : `#/users/${route.userId}`;
  }
}
