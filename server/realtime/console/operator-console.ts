import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Namespace, Socket } from 'socket.io';
import { REPORT_EVERY_MS, type InstanceReport } from '../../../protocol/console.ts';
import { ERRORS, TandemError } from '../../../protocol/errors.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { InstanceReports } from '../../sessions/ports.ts';
import type { TandemServer } from '../connection.ts';
import { createConsoleCommands, type ConsoleServices } from './commands.ts';
import { ConsoleDispatch } from './dispatch.ts';
import { ConsoleGate } from './gate.ts';
import { InstancesLook } from './instances-look.ts';
import { Operator } from './operator.ts';
import { StopRequests } from './stop-requests.ts';

export const CONSOLE_NAMESPACE = '/console';
/** Each gets the reports of all instances every two seconds. */
const MAX_OPERATORS = 50;
/** Refused tokens of one address are a line of the log in so long; the metrics count all of them. */
const REFUSAL_LOG_MS = 1000;
const LOGGED_ADDRESSES = 1000;

export interface ConsoleOptions extends ConsoleServices {
  /** Null: nobody is let in. */
  readonly adminToken: string | null;
  readonly instanceId: string;
  /** What this instance tells of itself. */
  readonly own: () => InstanceReport;
  readonly reports: Pick<InstanceReports, 'all'>;
  /** An operator wants this instance to stop. */
  readonly onStopAsked: () => void;
}

/** What the console has of the gateway. */
export interface ConsoleHost {
  readonly io: TandemServer;
  /** Whether other instances share the adapter. */
  readonly isShared: boolean;
  readonly clientIp: (request: IncomingMessage) => ClientIp;
  readonly isDraining: () => boolean;
  /** False when a handshake was begun on this transport before. */
  readonly greet: (conn: object) => boolean;
  readonly now: () => number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'auth'>;
}

/** The operator's console: a namespace of its own, whose connections are nobody's in any session. */
export class OperatorConsole {
  readonly #host: ConsoleHost;
  readonly #gate: ConsoleGate;
  readonly #dispatch: ConsoleDispatch;
  readonly #instances: InstancesLook;
  readonly #operators = new Set<Operator>();
  /** When a refusal was last logged, by address. */
  readonly #loggedAt = new LRUCache<string, number>({ max: LOGGED_ADDRESSES });
  #timer: NodeJS.Timeout | null = null;

  constructor(host: ConsoleHost, options: ConsoleOptions) {
    const { adminToken, instanceId, own, reports, onStopAsked } = options;
    const { io, isShared, now, logger } = host;
    this.#host = host;
    this.#gate = new ConsoleGate({ adminToken, now });
    this.#instances = new InstancesLook({ own, reports, now });
    const stops = new StopRequests({
      ...{ io, instanceId, isShared, now, onStop: onStopAsked },
      reporting: async () => (await this.#instances.look()).instances.map((report) => report.instanceId),
    });
    const handlers = createConsoleCommands({ ...options, drain: (asked) => stops.ask(asked) });
    this.#dispatch = new ConsoleDispatch({ handlers, logger, now });
    // The types of the gateway's server are those of its own namespace.
    const namespace = io.of(CONSOLE_NAMESPACE) as unknown as Namespace;
    namespace.use((socket, next) => void this.#admit(socket, next));
    namespace.on('connection', (socket) => this.#open(socket));
  }

  /** Says that it ends, and ends every connection. */
  close(): void {
    for (const operator of this.#operators) operator.sayGoodbye();
  }

  async #admit(socket: Socket, next: (error?: Error) => void): Promise<void> {
    const { isDraining, greet, clientIp } = this.#host;
    const { conn } = socket;
    // A client may fire `error` by itself, and Socket.IO reports undecodable packets by it.
    socket.on('error', () => undefined);
    try {
      if (!greet(conn)) {
        throw new TandemError('INVALID_PAYLOAD', 'This transport has a connection already: open another one.');
      }
      await this.#gate.pass(socket.handshake.auth, clientIp(socket.request));
      if (this.#operators.size >= MAX_OPERATORS) {
        throw new TandemError('UNAVAILABLE', `This instance serves ${MAX_OPERATORS} consoles and no more.`);
      }
      if (isDraining()) throw new TandemError('UNAVAILABLE', 'This instance is draining: connect again.');
      next();
    } catch (error) {
      // A stock client stays away after a refusal; of a drain it must hear nothing but that the transport is gone.
      if (!isDraining()) next(this.#connectError(socket, error));
      setImmediate(() => conn.close());
    }
  }

  #connectError(socket: Socket, cause: unknown): Error {
    const { logger, metrics, clientIp } = this.#host;
    const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', ERRORS.INTERNAL.title, { cause });
    const { address, bucket } = clientIp(socket.request);
    const fields = { connectionId: socket.id, ip: address };
    if (error.code === 'INTERNAL') logger.error('internal_error', { ...fields, error: error.cause ?? error });
    if (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN') {
      metrics.auth('rejected');
      if (this.#isLogged(bucket)) logger.warn('auth_failed', { ...fields, reason: 'admin_token' });
    }
    // Socket.IO sends `message` and `data` of the error to the client as they are.
    return Object.assign(new Error(error.code), { data: error.toWire() });
  }

  #isLogged(bucket: string): boolean {
    const now = this.#host.now();
    // A clock may be set back.
    if (Math.abs(now - (this.#loggedAt.get(bucket) ?? 0)) < REFUSAL_LOG_MS) return false;
    this.#loggedAt.set(bucket, now);
    return true;
  }

  #open(socket: Socket): void {
    const { logger, clientIp } = this.#host;
    const operator = new Operator(socket, clientIp(socket.request));
    this.#operators.add(operator);
    logger.info('connection_opened', { connectionId: socket.id, ip: operator.address, scope: 'console' });
    socket.on('disconnect', () => {
      this.#operators.delete(operator);
      this.#watch();
      logger.info('connection_closed', { connectionId: socket.id, scope: 'console' });
      // A client that left the namespace has nothing to do on the transport.
      socket.conn.close();
    });
    // Never calls next: an event that reaches Socket.IO's emitter may be `error`, which ends the process unheard.
    socket.use((packet) => this.#dispatch.take(operator, packet));
    this.#watch();
    void this.#instances.look().then((reports) => operator.tell(reports));
  }

  /** All instances are looked at once for all consoles, and not at all where there is none. */
  #watch(): void {
    if (this.#operators.size > 0) {
      this.#timer ??= setInterval(() => void this.#tellAll(), REPORT_EVERY_MS).unref();
    } else if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  async #tellAll(): Promise<void> {
    const reports = await this.#instances.look();
    for (const operator of this.#operators) operator.tell(reports);
  }
}
