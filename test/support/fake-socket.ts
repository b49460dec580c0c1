import type { OpenSocket, SocketHandlers } from '../../client/socket.ts';
import type { HandshakeAuth } from '../../protocol/commands.ts';

interface FakeRequest {
  readonly command: string;
  readonly payload: unknown;
  readonly answer: (value: unknown) => void;
}

/** A connection as the library opened it; the test is the far end. */
export interface FakeSocket {
  readonly url: string | undefined;
  readonly auth: () => HandshakeAuth;
  readonly tell: SocketHandlers;
  readonly requests: FakeRequest[];
  isClosed: boolean;
}

/** Every connection that is opened, oldest first. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  /** Runs before the library has the socket in hand. */
  atOpening: (tell: SocketHandlers) => void = () => undefined;

  readonly open: OpenSocket = (url, auth, handlers) => {
    const socket: FakeSocket = { url, auth, tell: handlers, requests: [], isClosed: false };
    this.sockets.push(socket);
    this.atOpening(handlers);
    return {
      request: (command, payload, answer) => {
        if (socket.isClosed) throw new Error(`${command} on a socket that was closed`);
        socket.requests.push({ command, payload, answer });
      },
      close: () => {
        socket.isClosed = true;
      },
    };
  };

  get newest(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('expected a connection');
    return socket;
  }
}
