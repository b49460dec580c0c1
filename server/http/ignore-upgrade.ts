import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { endConnection } from './end-connection.ts';

/** Whether the request wants to become a WebSocket. */
export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Serves a request as if it had not asked for an upgrade, as RFC 9110 section 7.8 has it for protocols that a server
 * does not speak: `curl --http2` and Java's HttpClient offer `h2c` with an ordinary GET. Node.js hands over any such
 * request as soon as somebody listens for upgrades.
 */
export function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Duplex): void {
  if (!(socket instanceof Socket)) {
    socket.destroy();
    return;
  }
  const response = new ServerResponse(request);
  // What follows on the connection is not parsed any more.
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => endConnection(socket));
  socket.on('error', () => socket.destroy());
  server.emit('request', request, response);
}
