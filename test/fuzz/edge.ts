import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { LIMITS, SIZES } from '../../protocol/limits.ts';
import type { LimitRules } from '../../server/limits/limit-rules.ts';
import type { LogFields } from '../../server/observability/log-fields.ts';
import type { Logger } from '../../server/observability/logger.ts';
import { createMetrics } from '../../server/observability/metrics.ts';
import { Gateway } from '../../server/realtime/gateway.ts';
import type { Limits } from '../../server/sessions/ports.ts';
import { createStubDomain } from './stub-domain.ts';

export interface Edge {
  /** The client's end of a connection whose upgrade was asked for. */
  open(): Duplex;
  /** Lets virtual time pass: limits of a connection are counted in it. */
  pass(ms: number): void;
  readonly connectionCount: number;
  stop(): Promise<void>;
}

/**
 * Everything between the socket and the domain, as a server runs it: ws, Engine.IO, Socket.IO, gateway, dispatch, schemas.
 * Bytes come from memory instead of the network, so that millions of inputs take minutes.
 */
export function createEdge(onFault: (fault: string) => void): Edge {
  let now = Date.now();
  const rules = Object.fromEntries(
    Object.entries(LIMITS).map(([name, { scope }]) => [name, { name, scope, points: 0, durationMs: 1000, blockMs: 0 }]),
  ) as LimitRules; // fromEntries forgets which names it was given
  const gateway = new Gateway({
    transports: ['websocket'],
    corsOrigins: [],
    publicUrl: null,
    maxConnections: 1000,
    isOverloaded: () => false,
    clientIp: () => ({ address: '192.0.2.1', bucket: '192.0.2.1' }),
    rules,
    limits: unlimited(),
    adapter: null,
    tracing: null,
    now: () => now,
    logger: faultsOnly(onFault),
    metrics: createMetrics({ version: '0.0.0' }),
  });
  gateway.serve(createStubDomain(() => gateway.rooms, SIZES.messageBody));
  return {
    open: () => {
      const [client, server] = duplexPair();
      // As when a TCP connection is reset: a pair in memory would not notice.
      client.once('close', () => server.destroy());
      server.once('close', () => client.destroy());
      const request = new IncomingMessage(asSocket(server));
      request.method = 'GET';
      request.url = '/socket.io/?EIO=4&transport=websocket';
      request.headers = {
        ...{ host: 'localhost', upgrade: 'websocket', connection: 'Upgrade' },
        ...{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' },
      };
      gateway.handleUpgrade(request, server, Buffer.alloc(0));
      return client;
    },
    pass: (ms) => {
      now += ms;
    },
    get connectionCount() {
      return gateway.connectionCount;
    },
    stop: () => gateway.stop(),
  };
}

/** A request asks its connection for an address and for nothing else, and takes undefined. */
function asSocket(stream: Duplex): Socket {
  const socket: unknown = stream;
  return socket as Socket;
}

function unlimited(): Limits {
  return {
    take: () => Promise.resolve({ kind: 'taken' }),
    count: () => Promise.resolve({ isTaken: true, remaining: 1, resetMs: 0, takenAt: 0 }),
    giveBack: () => Promise.resolve(),
    recordFailure: () => Promise.resolve(),
    waitOf: () => Promise.resolve(0),
  } satisfies Limits;
}

/** Errors of the server are what is looked for; that somebody was refused is the daily bread here. */
function faultsOnly(onFault: (fault: string) => void): Logger {
  const fault = (event: string, fields?: LogFields) => {
    const error: unknown = fields?.error;
    onFault(`${event} ${error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(fields)}`);
  };
  const nothing = () => undefined;
  return {
    error: fault,
    warn: (event, fields) => {
      if (event !== 'security_event' && event !== 'slow_consumer_closed') fault(event, fields);
    },
    ...{ info: nothing, debug: nothing },
    dropped: () => 0,
    droppedAt: () => null,
    close: () => Promise.resolve(),
  };
}
