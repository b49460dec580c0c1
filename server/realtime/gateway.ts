import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Server as EngineServer } from 'engine.io';
import { Server } from 'socket.io';
import { ERRORS, TandemError } from '../../protocol/errors.ts';
import { isLimitName, SIZES } from '../../protocol/limits.ts';
import type { ClientIp } from '../limits/client-ip.ts';
import type { LimitRules } from '../limits/limit-rules.ts';
import type { Logger } from '../observability/logger.ts';
import type { ConnectionEnd, Metrics } from '../observability/metrics.ts';
import type { Limits } from '../sessions/ports.ts';
import type { HeldSeat } from '../sessions/seating.ts';
import type { Services } from './commands/command.ts';
import { Connection, type TandemServer, type TandemSocket } from './connection.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { Dispatch } from './dispatch.ts';
import { shakeHands } from './handshake.ts';
import { emitTo, Rooms } from './rooms.ts';
import { watchSlowReader } from './slow-reader.ts';
import { refusalOf, refuseRequest, refuseUpgrade, type Gate } from './upgrade.ts';

export const SOCKET_PATH = '/socket.io';

/** A half-open peer is noticed after at most the sum of both: 20 s. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 10_000;
/** A socket that never says CONNECT holds a place for so long. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Time between two waves of connections that a drain closes. */
const DRAIN_WAVE_MS = 50;

export interface GatewayOptions {
  transports: readonly ('websocket' | 'polling')[];
  corsOrigins: '*' | readonly string[];
  publicUrl: string | null;
  maxConnections: number;
  clientIp: (request: IncomingMessage) => ClientIp;
  rules: LimitRules;
  limits: Limits;
  now: () => number;
  logger: Logger;
  metrics: Metrics;
}

export type GatewayServices = Omit<Services, 'limits' | 'connectionLimits' | 'onSignal'>;

/** The Socket.IO edge: takes connections, hands their commands to the domain, and carries events to them. */
export class Gateway {
  readonly rooms: Rooms;
  readonly #options: GatewayOptions;
  readonly #io: TandemServer;
  readonly #engine: EngineServer;
  readonly #gate: Gate;
  readonly #sendBuffers = new Map<Connection, () => number>();
  /** Engine.IO's ids of the transports that are open. */
  readonly #openIds = new Set<string>();
  #dispatch: Dispatch | null = null;
  #services: GatewayServices | null = null;
  #isDraining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { transports, corsOrigins, publicUrl, maxConnections } = options;
    this.#engine = new EngineServer({
      transports: [...transports],
      maxHttpBufferSize: SIZES.packet,
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: PING_TIMEOUT_MS,
      perMessageDeflate: false,
      httpCompression: false,
      cors: { origin: corsOrigins === '*' ? true : [...corsOrigins] },
    });
    this.#engine.on('connection', (conn: { id: string; once(event: 'close', listener: () => void): void }) => {
      this.#openIds.add(conn.id);
      conn.once('close', () => this.#openIds.delete(conn.id));
    });
    this.#io = new Server({ serveClient: false, connectTimeout: CONNECT_TIMEOUT_MS });
    this.#io.bind(this.#engine);
    this.rooms = new Rooms({ io: this.#io, onOrphan: (seat) => this.#lose(seat) });
    this.#gate = {
      corsOrigins,
      publicUrl,
      isDraining: () => this.#isDraining,
      isFull: () => this.#openIds.size >= maxConnections,
    };
  }

  /** Gives the gateway the domain that it serves: the domain needs `rooms` first. */
  serve(services: GatewayServices): void {
    const { rules, now, metrics, logger } = this.#options;
    this.#services = services;
    this.#dispatch = new Dispatch({
      services: {
        ...services,
        limits: rules,
        connectionLimits: new ConnectionLimits(rules, now),
        onSignal: () => metrics.signalSent(),
      },
      rooms: this.rooms,
      metrics,
      logger,
      onLateSeat: (connection) => this.#abandonSeat(connection),
    });
    this.#io.use((socket, next) => void this.#admit(socket, next));
    this.#io.on('connection', (socket) => this.#open(socket));
  }

  isSocketRequest(request: IncomingMessage): boolean {
    const path = (request.url ?? '').split('?', 1)[0];
    return path === SOCKET_PATH || path === `${SOCKET_PATH}/`;
  }

  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    const refusal = refusalOf(request, this.#gate);
    if (refusal !== null && !this.#isOfOpenConnection(request)) {
      refuseRequest(request, response, refusal);
      return;
    }
    // Engine.IO adds what it needs to the request itself.
    this.#engine.handleRequest(request, response);
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.isSocketRequest(request)
      ? refusalOf(request, this.#gate)
      : ({ code: 'UNKNOWN_COMMAND', detail: `WebSocket connections are served at ${SOCKET_PATH}/.` } as const);
    if (refusal !== null) {
      refuseUpgrade(request, socket, refusal);
      return;
    }
    this.#engine.handleUpgrade(request, socket, head);
  }

  get connectionCount(): number {
    return this.rooms.size;
  }

  sendBufferBytes(): number {
    let bytes = 0;
    for (const unsent of this.#sendBuffers.values()) bytes += unsent();
    return bytes;
  }

  /** New connections are refused from now on, and those that are there are told. */
  startDraining(reconnectAfterMs: number): void {
    this.#isDraining = true;
    this.#io.emit('server:draining', { reconnectAfterMs });
  }

  /**
   * Closes the transports in waves over `spreadMs`, so that clients do not all come back in one instant; each when the
   * commands that it sent are answered.
   */
  async drain(spreadMs: number): Promise<void> {
    const connections = [...this.rooms.connections()];
    const waves = Math.max(1, Math.min(Math.floor(spreadMs / DRAIN_WAVE_MS), connections.length));
    const size = Math.ceil(connections.length / waves);
    const closing: Promise<void>[] = [];
    for (let start = 0; start < connections.length; start += size) {
      if (start > 0) await delay(DRAIN_WAVE_MS);
      for (const connection of connections.slice(start, start + size)) closing.push(this.#drainOne(connection));
    }
    await Promise.all(closing);
  }

  async #drainOne(connection: Connection): Promise<void> {
    await this.#dispatch?.answered(connection);
    this.rooms.end(connection, 'draining', Math.round(Math.random() * 1000));
  }

  async stop(): Promise<void> {
    this.#isDraining = true;
    await this.#io.close();
  }

  async #admit(socket: TandemSocket, next: (error?: Error) => void): Promise<void> {
    const { clientIp, limits, rules, now } = this.#options;
    const connection = new Connection(socket, clientIp(socket.request), now());
    socket.data.connection = connection;
    this.rooms.add(connection);
    // The transport may break before Socket.IO calls this a connection, and then it says nothing.
    socket.conn.once('close', (reason: string) => this.#closed(connection, reason));
    // A client may fire `error` by itself, and Socket.IO reports undecodable packets by it.
    socket.on('error', () => undefined);
    try {
      const { seating } = this.#services ?? raise('the gateway serves nothing yet');
      const resumed = await shakeHands(connection, socket.handshake.auth, { seating, limits, rules });
      connection.resumed = resumed;
      next();
    } catch (error) {
      this.#forget(connection);
      next(this.#connectError(connection, error));
    }
  }

  #open(socket: TandemSocket): void {
    const { connection } = socket.data;
    const dispatch = this.#dispatch;
    if (connection === undefined || dispatch === null || connection.isGone) {
      socket.disconnect(true);
      return;
    }
    const { logger } = this.#options;
    logger.info('connection_opened', { connectionId: connection.id, ip: connection.address });
    this.#sendBuffers.set(
      connection,
      watchSlowReader(connection, {
        setSlow: (slow, isSlow) => this.rooms.setSlow(slow, isSlow),
        onTooSlow: (slow) => {
          logger.warn('slow_consumer_closed', { connectionId: slow.id, sessionId: slow.seat?.sessionId });
          this.rooms.end(slow, 'slow_consumer');
        },
      }),
    );
    socket.on('disconnect', (reason) => this.#closed(connection, reason));
    // Never calls next: an event that reaches Socket.IO's emitter may be `error`, which ends the process unheard.
    socket.use((packet) => dispatch.take(connection, packet));
    this.#welcome(connection);
  }

  /** `session:resumed` is the first event after a resume; what came meanwhile follows. */
  #welcome(connection: Connection): void {
    const { resumed } = connection;
    if (resumed === null) return;
    connection.resumed = null;
    emitTo(connection, 'session:resumed', resumed);
    this.rooms.release(connection, resumed.messages.at(-1)?.seq ?? 0);
  }

  #closed(connection: Connection, reason: string): void {
    if (connection.isGone) return;
    const { logger, metrics, now } = this.#options;
    const end = endOf(connection, reason);
    const { seat } = connection;
    logger.info('connection_closed', {
      connectionId: connection.id,
      sessionId: seat?.sessionId,
      reason: end,
      durationMs: now() - connection.openedAt,
    });
    metrics.connectionClosed(end);
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    this.#sendBuffers.delete(connection);
    const seat = this.rooms.remove(connection);
    if (seat !== null) this.#lose(seat);
  }

  /** Nobody holds this seat any more. A drain keeps it: its participant is on the way to another instance. */
  #lose(seat: HeldSeat): void {
    if (this.#isDraining) return;
    const { logger } = this.#options;
    this.#services?.sessions
      .connectionLost(seat, () => this.#isDraining)
      .catch((error: unknown) => logger.error('internal_error', { sessionId: seat.sessionId, error }));
  }

  /** The caller was told that the outcome is unknown: the seat waits for a repetition with its key, or times out. */
  #abandonSeat(connection: Connection): void {
    const { seat } = connection;
    if (seat === null) return;
    this.rooms.detach(seat.sessionId, seat.seatId);
    this.#lose(seat);
  }

  #connectError(connection: Connection, cause: unknown): Error {
    const { logger, metrics } = this.#options;
    const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', ERRORS.INTERNAL.title, { cause });
    const { id: connectionId, address: ip } = connection;
    if (error.code === 'INTERNAL') logger.error('internal_error', { connectionId, error: error.cause });
    if (error.code === 'RATE_LIMITED') {
      if (isLimitName(error.limit?.name)) metrics.rateLimited(error.limit.name);
      logger.info('rate_limit_exceeded', { connectionId, ip, limit: error.limit?.name });
    }
    if (error.code === 'UNAUTHENTICATED' || error.code === 'RESUME_REJECTED') {
      logger.info('auth_failed', { connectionId, ip, errorCode: error.code });
    }
    // Socket.IO sends `message` and `data` of the error to the client as they are.
    return Object.assign(new Error(error.code), { data: error.toWire() });
  }

  /** Long polling asks again and again: an open connection is not a new one. */
  #isOfOpenConnection(request: IncomingMessage): boolean {
    const sid = new URL(request.url ?? '/', 'http://localhost').searchParams.get('sid');
    return sid !== null && this.#openIds.has(sid);
  }
}

function endOf(connection: Connection, reason: string): ConnectionEnd {
  if (connection.closing !== null) return connection.closing;
  return reason === 'client namespace disconnect' || reason === 'transport close' ? 'client' : 'transport';
}

function raise(message: string): never {
  throw new Error(message);
}
