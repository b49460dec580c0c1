import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { HandshakeAuth } from '../protocol/commands.ts';

/** What one connection tells. After `closed` or `refused` it tells nothing more. */
export interface SocketHandlers {
  /** The namespace is open: commands may be sent. */
  opened: () => void;
  /** The handshake was refused; `data` is what the server said about it. */
  refused: (data: unknown) => void;
  /** It could not be opened, or is gone. */
  closed: () => void;
  event: (name: string, payload: unknown) => void;
}

/** One connection, from its first attempt to its end. It never comes back by itself. */
export interface WireSocket {
  /** `answer` is called once with what the server answers, and never when it does not. */
  request: (command: string, payload: unknown, answer: (value: unknown) => void) => void;
  /** Ends it at once; nothing is told any more. */
  close: () => void;
}

/** `auth` is asked when the transport is open, so that it tells the latest. */
export type OpenSocket = (url: string | undefined, auth: () => HandshakeAuth, handlers: SocketHandlers) => WireSocket;

/** How long the transport may take to open; the handshake after it has a deadline of the connection's. */
const OPEN_TIMEOUT_MS = 10_000;

/**
 * Over socket.io-client. Every connection has a manager of its own and comes back only when it is told to: the stock
 * client's reconnection has no full jitter, stays away after a refused handshake, and keeps unanswered packets to send
 * them later, behind the back of whoever repeats them.
 */
export const openSocket: OpenSocket = (url, auth, handlers) => {
  const options = {
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
    timeout: OPEN_TIMEOUT_MS,
    auth: (give: (data: object) => void) => give(auth()),
  };
  // The names of events and commands are checked by those who parse them.
  const socket: Socket = url === undefined ? io(options) : io(url, options);
  let isOver = false;
  const close = (): void => {
    isOver = true;
    socket.disconnect();
  };
  const end = (tell: () => void): void => {
    if (isOver) return;
    close();
    tell();
  };
  socket.on('connect', () => {
    if (!isOver) handlers.opened();
  });
  socket.on('connect_error', (error: Error & { data?: unknown }) =>
    end(() => (error.data === undefined ? handlers.closed() : handlers.refused(error.data))),
  );
  socket.on('disconnect', () => end(handlers.closed));
  socket.onAny((name: string, payload: unknown) => {
    if (!isOver) handlers.event(name, payload);
  });
  return {
    request: (command, payload, answer) => {
      if (!isOver) socket.emit(command, payload, answer);
    },
    close,
  };
};
