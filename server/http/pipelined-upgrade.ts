import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { endConnection } from './end-connection.ts';

/** Answers to what was asked before are computed by now, or never will be. */
const ANSWERS_MS = 10_000;

export interface PipelinedUpgrades {
  /** Whether an earlier request of the connection is unanswered; then the connection is seen to. */
  closes(socket: Duplex): boolean;
}

/**
 * Watches for requests to upgrade that come while an earlier request of their connection is not answered. Node.js hands
 * them over at once, although the connection belongs to the earlier answer still: who answers there throws, and that ends
 * the process; who takes the connection over cuts the answer short. No client asks so, and a server may close a
 * connection with requests unanswered (RFC 9112, 9.3.2): what was asked before is answered, and then it is closed.
 */
export function watchPipelinedUpgrades(server: Server): PipelinedUpgrades {
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>();
  server.on('request', (request, response) => {
    const { socket } = request;
    const responses = unanswered.get(socket) ?? new Set();
    unanswered.set(socket, responses.add(response));
    // After Node.js's own listener, which takes the response off the connection; `writableFinished` is true before.
    const answered = () => responses.delete(response);
    response.once('finish', answered);
    response.once('close', answered);
  });
  return {
    closes: (socket) => {
      const responses = unanswered.get(socket);
      if (responses === undefined || responses.size === 0) return false;
      // Node.js has stopped to listen.
      socket.on('error', () => socket.destroy());
      const deadline = setTimeout(() => socket.destroy(), ANSWERS_MS);
      socket.once('close', () => clearTimeout(deadline));
      const last = [...responses].at(-1);
      last?.once('finish', () => endConnection(socket));
      return true;
    },
  };
}
