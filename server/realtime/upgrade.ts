import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../../protocol/errors.ts';
import { createProblem, PROBLEM_TYPE } from '../../protocol/problem.ts';
import { requestIdOf } from '../observability/request-id.ts';
import { isOriginAllowed } from './origin.ts';

/** Time for the peer to read why it was refused, and to hang up. */
const LINGER_MS = 1000;

export interface Gate {
  corsOrigins: '*' | readonly string[];
  publicUrl: string | null;
  isDraining: () => boolean;
  isFull: () => boolean;
  /** More to do than this process can. */
  isOverloaded: () => boolean;
}

export interface Refusal {
  code: ErrorCode;
  detail: string;
  retryAfterSeconds?: number;
  /** Besides those of every refusal. */
  headers?: Readonly<Record<string, string>>;
}

/** Why a connection is refused before Socket.IO sees it; null when it is not. */
export function refusalOf(request: IncomingMessage, gate: Gate): Refusal | null {
  if (!isOriginAllowed(request, gate.corsOrigins, gate.publicUrl)) {
    return {
      code: 'FORBIDDEN',
      detail: 'Pages of this origin may not connect: the operator lists them in CORS_ORIGINS.',
    };
  }
  if (gate.isDraining()) {
    return { code: 'UNAVAILABLE', detail: 'This instance is draining: connect again.', retryAfterSeconds: 1 };
  }
  if (gate.isFull()) {
    return {
      code: 'UNAVAILABLE',
      detail: 'This instance has no room for more connections: come back.',
      retryAfterSeconds: 5,
    };
  }
  if (gate.isOverloaded()) {
    // Those that are refused together come back apart.
    const retryAfterSeconds = 1 + Math.floor(Math.random() * 4);
    return {
      code: 'UNAVAILABLE',
      detail: 'This instance has more to do than it can: connect again, to another one if there is one.',
      retryAfterSeconds,
    };
  }
  return null;
}

/** Answers an upgrade that is refused. Socket.IO's own hook answers 400 to all of them, which a client can't tell apart. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, refusal: Refusal): void {
  const { headers, body, status } = answerOf(request, refusal);
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  // HTTP looks after it no more, and a peer that never hangs up would keep it open for ever.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

export function refuseRequest(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { headers, body, status } = answerOf(request, refusal);
  response.writeHead(status, headers).end(body);
}

function answerOf(
  request: IncomingMessage,
  { code, detail, retryAfterSeconds, headers: own = {} }: Refusal,
): { status: number; headers: Record<string, string>; body: string } {
  const requestId = requestIdOf(request.headers['x-request-id']);
  const problem = createProblem(code, requestId, detail);
  if (retryAfterSeconds !== undefined) problem.retryAfterMs = retryAfterSeconds * 1000;
  const body = JSON.stringify(problem);
  const headers: Record<string, string> = {
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-Id': requestId,
    ...own,
  };
  if (retryAfterSeconds !== undefined) headers['Retry-After'] = String(retryAfterSeconds);
  return { status: problem.status, headers, body };
}
