import { isIPv6 } from 'node:net';
import type { Socket } from 'node:net';

/**
 * Where the link of an invitation leads: to `PUBLIC_URL`. Without it, and outside production, to the address that the
 * request came in at, so that a server on a desk can invite. Never to what a `Host` header says: whoever sends the request
 * would have us send mails with a link of theirs. Null: nobody knows.
 */
export function publicOrigin(
  { publicUrl, isProduction }: { readonly publicUrl: string | null; readonly isProduction: boolean },
  { localAddress, localPort }: Pick<Socket, 'localAddress' | 'localPort'>,
): string | null {
  if (publicUrl !== null) return publicUrl;
  if (isProduction || localAddress === undefined || localPort === undefined) return null;
  // An address of IPv4 in the clothes of IPv6; a zone has no place in a link.
  const bare = localAddress.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return new URL(`http://${isIPv6(bare) ? `[${bare}]` : bare}:${localPort}`).origin;
}
