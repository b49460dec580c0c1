import type { Duplex } from 'node:stream';

const LINGER_MS = 1000;

/**
 * Ends a connection that Node.js's HTTP no longer looks after, with these last bytes. Closing with bytes unread would
 * reset it, and the peer might lose the answer: so it is read on, but not for longer than a moment, whatever the peer does.
 */
export function endConnection(socket: Duplex, bytes?: string): void {
  socket.resume();
  if (bytes === undefined) socket.end();
  else socket.end(bytes);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
