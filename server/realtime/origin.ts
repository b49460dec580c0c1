import type { IncomingMessage } from 'node:http';

/**
 * Whether a page of this origin may open a connection. A WebSocket is not bound by CORS, and a browser sends cookies
 * and addresses along for any page, so the server must look itself (RFC 6455 section 10.2). A client without `Origin`
 * is no browser, and has nothing of a user that a page could borrow.
 */
export function isOriginAllowed(
  request: IncomingMessage,
  allowed: '*' | readonly string[],
  publicUrl: string | null,
): boolean {
  const { origin } = request.headers;
  if (origin === undefined || allowed === '*') return true;
  if (allowed.includes(origin) || origin === publicUrl) return true;
  return isSameOrigin(origin, request);
}

/** The page came from this very server: same host and port as the request was sent to, whatever stands in between. */
function isSameOrigin(origin: string, { headers }: IncomingMessage): boolean {
  const host = headers.host;
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.origin !== origin || (page.protocol !== 'http:' && page.protocol !== 'https:')) return false;
  // Compared as URLs of the page's scheme, so that a default port may stand or not; `Host` is the browser's own word.
  return URL.canParse(`${page.protocol}//${host}`) && new URL(`${page.protocol}//${host}`).host === page.host;
}
