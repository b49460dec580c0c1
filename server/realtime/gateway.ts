import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Server as EngineServer } from 'engine.io';
import { Server, type ServerOptions, type Socket } from 'socket.io';
import { ERRORS, TandemError, type ErrorCode } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import { isLimitName, SIZES } from '../../protocol/limits.ts';
import type { ClientIp } from '../limits/client-ip.ts';
import type { LimitRules } from '../limits/limit-rules.ts';
import type { Logger } from '../observability/logger.ts';
import type { ConnectionEnd, Metrics } from '../observability/metrics.ts';
import { requestIdOf } from '../observability/request-id.ts';
import type { Tracing } from '../observability/span.ts';
import { maskIp } from '../observability/mask-ip.ts';
import type { Limits } from '../sessions/ports.ts';
import { iso } from '../sessions/iso.ts';
import type { HeldSeat } from '../sessions/seating.ts';
import type { TimelineQueue } from '../sessions/timeline-queue.ts';
import type { Services } from './commands/command.ts';
import { Connection, type TandemServer, type TandemSocket } from './connection.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { CONSOLE_NAMESPACE, OperatorConsole, type ConsoleOptions } from './console/operator-console.ts';
import { Dispatch } from './dispatch.ts';
import { DRAIN_WAVE_MS, drainWaves } from './drain-waves.ts';
import { engineRequestOf, handshakeFault, refuseHandshakes } from './engine-handshake.ts';
import { endedWhileShakingHands } from './handshake-end.ts';
import { countHandshake, shakeHands } from './handshake.ts';
import type { Reading } from './reading.ts';
import { emitTo, Rooms } from './rooms.ts';
import { SignedIn, type ConnectionIdentities, type SignedInOptions } from './signed-in.ts';
import { watchSlowReader } from './slow-reader.ts';
import { LEAVING_NONE, refuseStrangeNamespaces, shareAdapter } from './strange-namespaces.ts';
import { takeShortWay } from './short-way.ts';
import { refusalOf, refuseRequest, refuseUpgrade, type Gate, type Refusal } from './upgrade.ts';

const SOCKET_PATH = '/socket.io';
const NAMESPACES = new Set(['/', CONSOLE_NAMESPACE]);

/** A half-open peer is noticed after at most the sum of both: 20 s. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 10_000;
/** A socket that never says CONNECT holds a place for so long. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface GatewayOptions {
  transports: readonly ('websocket' | 'polling')[];
  corsOrigins: '*' | readonly string[];
  publicUrl: string | null;
  maxConnections: number;
  /** Whether the process has more to do than it can: new connections go elsewhere then. */
  isOverloaded: () => boolean;
  clientIp: (request: IncomingMessage) => ClientIp;
  rules: LimitRules;
  limits: Limits;
  /** How instances hear each other's events; null for a process that is alone. */
  adapter: NonNullable<ServerOptions['adapter']> | null;
  /** Null: nothing is traced. */
  tracing: Tracing | null;
  now: () => number;
  logger: Logger;
  metrics: Metrics;
}

const AUTH_FAILURES = new Set<ErrorCode>(['UNAUTHENTICATED', 'RESUME_REJECTED']);

export interface GatewayServices extends Omit<Services, 'limits' | 'connectionLimits' | 'onSignal' | 'signedIn'> {
  identities: ConnectionIdentities & Pick<SignedInOptions, 'loginTtlMs'> & { isRequired: boolean };
  timeline: Pick<TimelineQueue, 'limited'>;
}

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
  /** By the same ids: whether a client that polls may say more. */
  readonly #readings = new Map<string, Reading>();
  /** Transports on which a handshake was begun. */
  readonly #greeted = new WeakSet<object>();
  #dispatch: Dispatch | null = null;
  #services: GatewayServices | null = null;
  #signedIn: SignedIn | null = null;
  #console: OperatorConsole | null = null;
  #isDraining = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { transports, corsOrigins, publicUrl, maxConnections, isOverloaded } = options;
    this.#engine = new EngineServer({
      transports: [...transports],
      maxHttpBufferSize: SIZES.packet,
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: PING_TIMEOUT_MS,
      perMessageDeflate: false,
      httpCompression: false,
      cors: { origin: corsOrigins === '*' ? true : [...corsOrigins] },
    });
    refuseHandshakes(this.#engine);
    this.#engine.on('connection', (conn: { id: string; once(event: 'close', listener: () => void): void }) => {
      this.#openIds.add(conn.id);
      conn.once('close', () => this.#openIds.delete(conn.id));
    });
    const { adapter } = options;
    this.#io = new Server({
      serveClient: false,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...LEAVING_NONE,
    });
    if (adapter !== null) shareAdapter(this.#io, adapter, NAMESPACES);
    this.#io.bind(this.#engine);
    // Its channel, too, is asked for before the state's, and so is heard before this instance says that it is ready.
    this.#io.of(CONSOLE_NAMESPACE);
    this.rooms = new Rooms({
      io: this.#io,
      onOrphan: (seat) => this.#lose(seat),
      isShared: adapter !== null,
    });
    this.#gate = {
      corsOrigins,
      publicUrl,
      isDraining: () => this.#isDraining,
      isFull: () => this.#openIds.size >= maxConnections,
      isOverloaded,
    };
  }

  /** Gives the gateway the domain that it serves: the domain needs `rooms` first. */
  serve(services: GatewayServices): void {
    const { rules, now, metrics, logger } = this.#options;
    this.#services = services;
    this.#signedIn = new SignedIn({
      ...services.identities,
      rooms: this.rooms,
      now,
      onError: (error) => logger.warn('internal_error', { error, reason: 'login' }),
    });
    this.#signedIn.start();
    this.#dispatch = new Dispatch({
      services: {
        ...services,
        signedIn: this.#signedIn,
        limits: rules,
        connectionLimits: new ConnectionLimits(rules, now),
        onSignal: () => metrics.signalSent(),
      },
      rooms: this.rooms,
      metrics,
      logger,
      now,
      tracing: this.#options.tracing,
      timeline: services.timeline,
      onLateSeat: (connection) => this.#abandonSeat(connection),
    });
    this.#io.use((socket, next) => void this.#admit(socket, next));
    this.#io.on('connection', (socket) => this.#open(socket));
    refuseStrangeNamespaces(this.#io, (socket, next) => void this.#turnAway(socket, next));
  }

  /** Serves the operator's console beside it, on transports of their own. */
  openConsole(options: ConsoleOptions): void {
    const { adapter, clientIp, now, logger, metrics } = this.#options;
    const host = { io: this.#io, isShared: adapter !== null, clientIp, now, logger, metrics };
    const isDraining = () => this.#isDraining;
    this.#console = new OperatorConsole({ ...host, isDraining, greet: (conn) => this.#greet(conn) }, options);
  }

  isSocketRequest(request: IncomingMessage): boolean {
    const path = (request.url ?? '').split('?', 1)[0];
    return path === SOCKET_PATH || path === `${SOCKET_PATH}/`;
  }

  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#isOfOpenConnection(request) ? null : this.#refusalOf(request, 'polling');
    if (refusal !== null) {
      refuseRequest(request, response, refusal);
      return;
    }
    response.setHeader('X-Request-Id', requestIdOf(request.headers['x-request-id']));
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const reading = request.method === 'POST' ? this.#readings.get(engineRequestOf(request).id ?? '') : undefined;
    if (reading?.isPaused === true) void this.#takeLater(request, response, reading);
    // Engine.IO adds what it needs to the request itself.
    else this.#engine.handleRequest(request, response);
  }

  /** What a client that polls says is not read while it is paused; its next request waits for the answer to this one. */
  async #takeLater(request: IncomingMessage, response: ServerResponse, reading: Reading): Promise<void> {
    await reading.resumed();
    // Engine.IO would wait for ever for the end of a request that is gone.
    if (!request.socket.destroyed) this.#engine.handleRequest(request, response);
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.isSocketRequest(request)
      ? this.#refusalOf(request, 'websocket')
      : ({ code: 'UNKNOWN_COMMAND', detail: `WebSocket connections are served at ${SOCKET_PATH}/.` } as const);
    if (refusal !== null) {
      refuseUpgrade(request, socket, refusal);
      return;
    }
    this.#engine.handleUpgrade(request, socket, head);
  }

  #refusalOf(request: IncomingMessage, transport: 'websocket' | 'polling'): Refusal | null {
    const asked = engineRequestOf(request);
    if (asked.transport !== transport || !this.#options.transports.includes(transport)) {
      const served = this.#options.transports.join(', ');
      return { code: 'INVALID_PAYLOAD', detail: `This transport is not served here; served are: ${served}.` };
    }
    return refusalOf(request, this.#gate) ?? handshakeFault(request, asked, (id) => this.#openIds.has(id));
  }

  /** Connections of this instance for operators' eyes: at most so many, the oldest first. */
  describe(limit: number) {
    const connections = [...this.rooms.connections()].slice(0, limit).map((connection) => ({
      id: connection.id,
      ip: maskIp(connection.address),
      openedAt: iso(connection.openedAt),
      sessionId: connection.seat?.sessionId ?? null,
      participantId: connection.seat?.seatId ?? null,
      userId: connection.identity?.userId ?? null,
      commandsInFlight: connection.inFlight,
      unsentBytes: this.#sendBuffers.get(connection)?.() ?? 0,
    }));
    return { total: this.connectionCount, connections };
  }

  /** Tokens were revoked: connections under them end. */
  endRevoked(): void {
    this.#signedIn?.look();
  }

  get connectionCount(): number {
    return this.rooms.size;
  }

  sendBufferBytes(): number {
    let bytes = 0;
    for (const unsent of this.#sendBuffers.values()) bytes += unsent();
    return bytes;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** New connections are refused from now on, and those that are there are told. */
  startDraining(reconnectAfterMs: number): void {
    this.#isDraining = true;
    this.#io.local.emit('server:draining', { reconnectAfterMs });
  }

  /**
   * Closes the transports in waves over `spreadMs`, so that clients do not all come back in one instant; each when the
   * commands that it sent are answered.
   */
  async drain(spreadMs: number): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const [index, wave] of drainWaves([...this.rooms.connections()], spreadMs).entries()) {
      if (index > 0) await delay(DRAIN_WAVE_MS);
      closing.push(...wave.map((connection) => this.#drainOne(connection)));
    }
    await Promise.all(closing);
    // Last: an operator sees how it goes.
    this.#console?.close();
  }

  async #drainOne(connection: Connection): Promise<void> {
    await this.#dispatch?.answered(connection);
    this.rooms.end(connection, 'draining', Math.round(Math.random() * 1000));
  }

  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#signedIn?.stop();
    this.#console?.close();
    await this.#io.close();
  }

  /** One handshake for each transport: nobody needs two namespaces, and a refused client comes back on a new one. */
  async #admit(socket: TandemSocket, next: (error?: Error) => void): Promise<void> {
    const { conn } = socket;
    const refuse = (cause: unknown) => {
      // A stock client stays away after a refusal; of a drain it must hear nothing but that the transport is gone.
      if (!this.#isDraining) next(this.#connectError(socket, cause));
      setImmediate(() => conn.close());
    };
    if (!this.#greet(conn)) {
      refuse(new TandemError('INVALID_PAYLOAD', 'This transport has a connection already: open another one.'));
      return;
    }
    try {
      const connection = this.#take(socket);
      try {
        connection.resumed = await this.#shakeHands(connection, socket.handshake.auth);
        next();
      } catch (error) {
        // Another connection took the seat while this one asked for it: it hears so as any that is replaced.
        if (connection.closing === 'replaced') {
          next();
          return;
        }
        this.#forget(connection);
        throw error;
      }
    } catch (error) {
      refuse(error);
    }
  }

  /** A handshake as any other that is refused: it counts, and ends the transport, unless another was begun on it before. */
  async #turnAway(socket: Socket, next: (error: Error) => void): Promise<void> {
    const { clientIp, limits, rules } = this.#options;
    const { conn, request } = socket;
    let cause: unknown = new TandemError('UNKNOWN_COMMAND', 'There is no such namespace: connect to "/".');
    const isFirst = this.#greet(conn);
    try {
      if (isFirst) await countHandshake(clientIp(request).bucket, limits, rules);
    } catch (error) {
      cause = error;
    }
    next(this.#connectError(socket, cause));
    if (isFirst) setImmediate(() => conn.close());
  }

  /** False when a handshake was begun on this transport before. */
  #greet(conn: object): boolean {
    if (this.#greeted.has(conn)) return false;
    this.#greeted.add(conn);
    return true;
  }

  #take(socket: TandemSocket): Connection {
    const { clientIp, now } = this.#options;
    const connection = new Connection(socket, clientIp(socket.request), now());
    socket.data.connection = connection;
    this.rooms.add(connection);
    // The transport may break before Socket.IO calls this a connection, and then it says nothing.
    const { id } = connection.socket.conn as unknown as { id: string }; // Engine.IO's types hide it.
    this.#readings.set(id, connection.reading);
    socket.conn.once('close', (reason: string) => {
      this.#readings.delete(id);
      connection.reading.close();
      this.#closed(connection, reason);
    });
    // A client may fire `error` by itself, and Socket.IO reports undecodable packets by it.
    socket.on('error', () => undefined);
    return connection;
  }

  async #shakeHands(connection: Connection, auth: unknown): Promise<Events['session:resumed'] | null> {
    const { limits, rules } = this.#options;
    if (this.#services === null || this.#isDraining) {
      throw new TandemError('UNAVAILABLE', 'This instance is draining: connect again.', { retryAfterMs: 1000 });
    }
    const { seating, identities } = this.#services;
    const { isRequired: isAuthRequired } = identities;
    const resumed = await shakeHands(connection, auth, { ...identities, seating, isAuthRequired, limits, rules });
    // While it was read what this client missed, somebody else took the seat, the host kicked it, or the session was put
    // back from the archive.
    if (connection.closing !== null || (resumed !== null && connection.seat === null)) {
      throw endedWhileShakingHands(connection.closing);
    }
    return resumed;
  }

  #open(socket: TandemSocket): void {
    const { connection } = socket.data;
    const dispatch = this.#dispatch;
    if (connection === undefined || dispatch === null || connection.isGone) {
      socket.conn.close();
      return;
    }
    if (connection.closing !== null) {
      this.rooms.sayGoodbye(connection);
      return;
    }
    const { logger } = this.#options;
    logger.info('connection_opened', { connectionId: connection.id, ip: connection.address });
    this.#sendBuffers.set(
      connection,
      watchSlowReader(connection, {
        setSlow: (slow, isSlow) => this.rooms.setSlow(slow, isSlow),
        onTooSlow: (slow) => {
          if (slow.closing !== null) return;
          logger.warn('slow_consumer_closed', { connectionId: slow.id, sessionId: slow.seat?.sessionId });
          this.rooms.end(slow, 'slow_consumer');
        },
      }),
    );
    socket.on('disconnect', (reason) => {
      this.#closed(connection, reason);
      // A client that left the namespace has nothing to do on the transport: it would keep it, and what listens to it.
      socket.conn.close();
    });
    // Never calls next: an event that reaches Socket.IO's emitter may be `error`, which ends the process unheard.
    const take = (packet: readonly unknown[]) => dispatch.take(connection, packet);
    socket.use(take);
    takeShortWay(connection, { knows: (name) => dispatch.knows(name), take });
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

  #connectError(socket: Pick<TandemSocket, 'id' | 'request'>, cause: unknown): Error {
    const { logger, metrics, clientIp } = this.#options;
    const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', ERRORS.INTERNAL.title, { cause });
    if (error.code === 'RATE_LIMITED' && isLimitName(error.limit?.name)) metrics.rateLimited(error.limit.name);
    const fields = { connectionId: socket.id, ip: clientIp(socket.request).address, errorCode: error.code };
    if (error.code === 'INTERNAL') logger.error('internal_error', { ...fields, error: error.cause ?? error });
    if (error.code === 'RATE_LIMITED') logger.info('rate_limit_exceeded', { ...fields, limit: error.limit?.name });
    if (AUTH_FAILURES.has(error.code)) logger.info('auth_failed', fields);
    // Socket.IO sends `message` and `data` of the error to the client as they are.
    return Object.assign(new Error(error.code), { data: error.toWire() });
  }

  /** Long polling asks again and again: an open connection is not a new one. */
  #isOfOpenConnection(request: IncomingMessage): boolean {
    const { id } = engineRequestOf(request);
    return id !== null && this.#openIds.has(id);
  }
}

function endOf(connection: Connection, reason: string): ConnectionEnd {
  if (connection.closing !== null) return connection.closing;
  return reason === 'client namespace disconnect' || reason === 'transport close' ? 'client' : 'transport';
}
