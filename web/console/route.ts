/** What the address asks for; it stands in the fragment, which no server sees. */
export type Route =
  | { readonly kind: 'overview' }
  | { readonly kind: 'sessions' }
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'users'; readonly userId: string | null };

const ID = /^[0-9a-zA-Z-]{1,64}$/;
/** A foreign issuer gives whatever ids it likes, of up to 256 characters. */
const USER_ID = /^[^\p{Cc}]{1,256}$/u;
/** Addresses of pages are kept by browsers, and seen by whoever looks at a screen: no e-mail address is in them. */
const MAILBOX = /^[^\s@|:/]+@[^\s@|:/]+$/;

/** Anything else is the overview. */
export function routeOf(fragment: string): Route {
  const [first = '', second = '', ...more] = fragment.replace(/^#\/?/, '').split('/');
  if (more.length > 0) return { kind: 'overview' };
  if (first === 'sessions') return ID.test(second) ? { kind: 'session', sessionId: second } : { kind: 'sessions' };
  if (first === 'users') return { kind: 'users', userId: userIdOf(second) };
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
      return hasPlace(route.userId) ? `#/users/${encodeURIComponent(route.userId)}` : '#/users';
  }
}

/** Whether the id of a user can stand in the address. */
export function hasPlace(userId: string | null): userId is string {
  // Half of a surrogate pair cannot be encoded.
  return userId !== null && USER_ID.test(userId) && !MAILBOX.test(userId) && !/\p{Cs}/u.test(userId);
}

function userIdOf(encoded: string): string | null {
  try {
    const userId = decodeURIComponent(encoded);
    return hasPlace(userId) ? userId : null;
  } catch {
    // Typed by hand, or cut off.
    return null;
  }
}
