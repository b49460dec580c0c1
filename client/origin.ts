import { TandemError } from '../protocol/errors.ts';

/** Of the server, a page's own unless given. Socket.IO takes the path of an address for a namespace. */
export function originOf(given: string | undefined): string {
  const url = given ?? (globalThis as { location?: { origin: string } }).location?.origin ?? '';
  try {
    const { protocol, host } = new URL(url);
    if (/^(https?|wss?):$/.test(protocol)) return `${protocol.replace('ws', 'http')}//${host}`;
  } catch {
    // Told below, together with the addresses of other kinds.
  }
  throw new TandemError('INVALID_PAYLOAD', 'Expected the url of a server.');
}
