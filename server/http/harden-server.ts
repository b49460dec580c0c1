import { STATUS_CODES, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../../protocol/errors.ts';
import { createProblem, PROBLEM_TYPE } from '../../protocol/problem.ts';
import { requestIdOf } from '../observability/request-id.ts';
import { endConnection } from './end-connection.ts';
import { watchPipelinedUpgrades, type PipelinedUpgrades } from './pipelined-upgrade.ts';

/** Room for a token of any sane size, and for one that is not, which is then refused as a token. */
const MAX_HEADER_BYTES = 32 * 1024;

/**
 * For `http.createServer`: the look-out for late requests, 30 s apart by default, cannot be set later, and without it
 * the timeouts below would be exceeded by as much. Node.js answers 431 above `maxHeaderSize` by itself.
 */
export const SERVER_OPTIONS = {
  connectionsCheckingInterval: 1000,
  maxHeaderSize: MAX_HEADER_BYTES,
  // Node.js would answer with a bare line; the app answers with a problem (see hostGuard).
  requireHostHeader: false,
} as const satisfies ServerOptions;

/** Milliseconds. They end with the upgrade of a connection: sockets have their own. */
export const SERVER_TIMEOUTS = {
  /** Also for a connection that never says anything. */
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  /** Longer than the 60 s of common balancers, which would else use a connection that is just being closed. */
  keepAliveTimeout: 65_000,
} as const;

const MAX_HEADERS = 100;

type Timeouts = Readonly<Record<keyof typeof SERVER_TIMEOUTS, number>>;

/**
 * Bounds what a connection may take, and answers what is not HTTP with a problem document instead of a bare line. Whoever
 * listens for upgrades asks what it gives first.
 */
export function hardenServer(server: Server, timeouts: Timeouts = SERVER_TIMEOUTS): PipelinedUpgrades {
  server.headersTimeout = timeouts.headersTimeout;
  server.requestTimeout = timeouts.requestTimeout;
  server.keepAliveTimeout = timeouts.keepAliveTimeout;
  server.maxHeadersCount = MAX_HEADERS;

  const pipelined = watchPipelinedUpgrades(server);
  const answered = new WeakSet<Duplex>();
  const inFlight = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => {
    inFlight.set(request.socket, response);
  });
  // An expectation that is not known is passed over (RFC 9110, 10.1.1) rather than answered with an empty 417.
  server.on('checkExpectation', (request, response) => {
    server.emit('request', request, response);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = inFlight.get(socket);
    // Also true for an answer that did not wait for the end of its request: a second one would belong to nothing.
    const isAnswering = response?.headersSent === true && !(response.writableFinished && response.req.complete);
    if (answered.has(socket)) return;
    // Somebody else's answer is on its way, nobody listens any more, or nothing was asked.
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET' || isSilent(socket)) {
      socket.destroy();
      return;
    }
    answered.add(socket);
    endConnection(socket, rawAnswer(statusOf(error)));
  });
  // Without a listener Node.js closes the connection without a word. Nothing here is a proxy.
  server.on('connect', (_request, socket) => {
    if (pipelined.closes(socket)) return;
    // Node.js listens to it no more.
    socket.on('error', () => undefined);
    endConnection(socket, rawAnswer(405));
  });
  return pipelined;
}

function isSilent(socket: Duplex): boolean {
  return 'bytesRead' in socket && socket.bytesRead === 0;
}

function statusOf({ code }: NodeJS.ErrnoException): 400 | 408 | 413 | 431 {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 408;
    case 'HPE_HEADER_OVERFLOW':
      return 431;
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 413;
    default:
      return 400;
  }
}

const DETAILS = {
  400: 'This is not a request of HTTP.',
  405: 'Use one of GET, HEAD, OPTIONS.',
  408: 'The request took too long to arrive.',
  413: 'The body must not be larger than 64 KiB.',
  431: `The headers must not be larger than ${MAX_HEADER_BYTES / 1024} KiB.`,
} as const;

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [405, 'METHOD_NOT_ALLOWED'],
  [413, 'PAYLOAD_TOO_LARGE'],
]);

function rawAnswer(status: keyof typeof DETAILS): string {
  const requestId = requestIdOf(undefined);
  const code = CODES.get(status) ?? 'INVALID_PAYLOAD';
  const body = JSON.stringify(createProblem(code, requestId, DETAILS[status], status));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    ...(status === 405 ? ['Allow: GET, HEAD, OPTIONS'] : []),
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
