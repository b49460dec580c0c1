import { ERRORS, TandemError, type ErrorCode, type PayloadIssue } from '../../protocol/errors.ts';
import { inspectJson, isOverDeep } from '../../protocol/json.ts';
import { isLimitName, SIZES } from '../../protocol/limits.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Span, Tracing } from '../observability/span.ts';
import { KNOCK_WAIT_MS } from '../sessions/knocks.ts';
import type { TimelineQueue } from '../sessions/timeline-queue.ts';
import type { KnockEnd } from '../sessions/waiting-room.ts';
import { AnswerDeadlines, type AnswerDeadline } from './answer-deadline.ts';
import type { Command, Services } from './commands/command.ts';
import { createCommands } from './commands/commands.ts';
import type { Connection } from './connection.ts';
import { Flight } from './flight.ts';
import { InFlight } from './in-flight.ts';
import { Knocking } from './knocking.ts';
import { emitTo, type Rooms } from './rooms.ts';
import { issuesOf } from '../sessions/payloads.ts';

export interface DispatchOptions {
  services: Services;
  rooms: Rooms;
  metrics: Metrics;
  logger: Logger;
  /** Null: nothing is traced. */
  tracing: Tracing | null;
  now: () => number;
  /** Where a session's limits that were hit are noted. */
  timeline: Pick<TimelineQueue, 'limited'>;
  /** The command succeeded after its caller was told that the outcome is unknown: the seat it took waits for a resume. */
  onLateSeat: (connection: Connection) => void;
}

type Answer = (answer: Record<string, unknown>) => void;

/** Commands of one connection that may wait for its create or join. */
const MAX_WAITING = 16;

/** Body and payload: a payload is an object, so its body may be one level deeper than a value alone. */
const PAYLOAD_DEPTH = SIZES.depth + 1;

/**
 * The way of every command: room for it, depth and shape, schema, limit of the connection, handler, outcome to ack, time. Nothing
 * that a handler throws, now or later, leaves this file, because any of it would end the process.
 */
export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #commands: ReadonlyMap<unknown, Command>;
  readonly #inFlight = new InFlight();
  readonly #deadlines = new AnswerDeadlines();
  /** Who waits until a connection has no command that is being worked on. */
  readonly #idleWaiters = new Map<Connection, () => void>();

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#commands = createCommands(options.services);
  }

  knows(name: unknown): boolean {
    return this.#commands.has(name);
  }

  /** Takes one packet of a client: `[event, payload?, ack?]`, as Socket.IO decoded it. */
  take(connection: Connection, packet: readonly unknown[]): void {
    if (connection.closing !== null) return;
    const last = packet[packet.length - 1];
    const ack = typeof last === 'function' ? (last as Answer) : null;
    const args = packet.slice(1, ack === null ? undefined : -1);
    const name = packet[0];
    const startedAt = performance.now();
    const answer: Answer = ack ?? ((outcome) => this.#tellFailure(connection, name, outcome));
    const command = this.#commands.get(name);
    if (command === undefined) {
      const text = 'There is no such command; docs/protocol.md lists all.';
      this.#refuse(connection, name, new TandemError('UNKNOWN_COMMAND', text), answer, startedAt);
      this.#strike(connection);
      return;
    }
    const overload = this.#inFlight.refusalOf(connection);
    if (overload !== null) {
      this.#refuse(connection, name, overload, answer, startedAt);
      return;
    }
    void this.#work(connection, command, args, answer, startedAt);
  }

  /** Resolves when all commands of the connection are answered, which the deadline of an answer bounds. */
  async answered(connection: Connection): Promise<void> {
    if (connection.inFlight === 0) return;
    await new Promise<void>((resolve) => this.#idleWaiters.set(connection, resolve));
    this.#idleWaiters.delete(connection);
  }

  async #work(
    connection: Connection,
    command: Command,
    args: readonly unknown[],
    answer: Answer,
    startedAt: number,
  ): Promise<void> {
    const span = this.#options.tracing?.begin('server', command.name) ?? null;
    const sessionId = connection.seat?.sessionId;
    let outcome: ErrorCode | 'ok' = 'ok';
    const deadline = this.#deadlines.begin(() => {
      const text = 'The server did not finish this in time; the outcome is unknown. Repeat with the same id or key.';
      outcome = this.#refuse(connection, command.name, new TandemError('UNAVAILABLE', text), answer, startedAt);
    });
    const flight = this.#takeOff(connection, command);
    try {
      const payload = this.#parse(connection, command, args);
      if (!command.reservesOwnLimits) this.#options.services.connectionLimits.reserve(connection, 'commands');
      if (connection.seatChange !== null) await this.#awaitTurn(connection, deadline);
      const result = await this.#run(connection, command, payload, deadline, flight, span);
      if (deadline.isOver) {
        if (command.changesSeat) this.#options.onLateSeat(connection);
        return;
      }
      answer({ ok: true, ...result });
      this.#options.metrics.commandOk(command.name, (performance.now() - startedAt) / 1000);
    } catch (error) {
      if (!deadline.isOver) outcome = this.#refuse(connection, command.name, error, answer, startedAt);
      else if (!(error instanceof TandemError)) this.#logFault(connection, command.name, error);
    } finally {
      deadline.clear();
      // Whatever a seat brought waits behind the answer that tells of the seat, which is not that of any other command.
      if (command.changesSeat) this.#options.rooms.release(connection);
      flight.answered();
      span?.end({ command: command.name, outcome, sessionId: sessionId ?? connection.seat?.sessionId });
    }
  }

  #takeOff(connection: Connection, { changesSeat }: Command): Flight {
    const end = this.#inFlight.take(connection);
    return new Flight(() => {
      // A join may wait on purpose, which says nothing about how busy the instance is.
      end(!changesSeat);
      if (connection.inFlight === 0) this.#idleWaiters.get(connection)?.();
    });
  }

  #parse(connection: Connection, command: Command, args: readonly unknown[]): unknown {
    if (args.length > 1) throw invalidPayload([{ path: '', message: 'expected one payload' }]);
    const payload = args.length === 0 ? {} : args[0];
    const issue = inspectJson(command.allowsBinaryBody ? withoutBinaryBody(payload) : payload, PAYLOAD_DEPTH);
    if (issue !== null) {
      if (isOverDeep(issue)) this.#strike(connection);
      throw invalidPayload([issue]);
    }
    const parsed = command.schema.safeParse(payload);
    if (!parsed.success) throw invalidPayload(issuesOf(parsed.error));
    return parsed.data;
  }

  #run(
    connection: Connection,
    command: Command,
    payload: unknown,
    deadline: AnswerDeadline,
    flight: Flight,
    span: Span | null,
  ): Promise<Record<string, unknown>> {
    if (command.changesSeat) return this.#changeSeat(connection, command, payload, deadline, flight, span);
    return command.run(connection, payload, {
      hasWithdrawn: false,
      extend: (delayMs) => deadline.extend(delayMs),
      awaitHost: () => AbortSignal.abort('withdrawn' satisfies KnockEnd),
      span,
    });
  }

  /** One after the other. A join that waits for a host lets others pass, and makes way for one that changes the seat. */
  #changeSeat(
    connection: Connection,
    command: Command,
    payload: unknown,
    deadline: AnswerDeadline,
    flight: Flight,
    span: Span | null,
  ): Promise<Record<string, unknown>> {
    const asked = `${command.name} ${JSON.stringify(payload)}`;
    const before = connection.knocking;
    if (before?.asked === asked && hasKey(payload)) {
      deadline.extend(KNOCK_WAIT_MS);
      flight.land();
      return before.outcome;
    }
    let pass: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (pass = resolve));
    const letPass = () => {
      pass();
      if (connection.seatChange === turn) connection.seatChange = null;
    };
    const awaitHost = (waitMs: number): AbortSignal => {
      const answered = new Promise<void>((resolve) => (flight.onAnswered = resolve));
      const knocking = new Knocking(asked, work, answered);
      // Who was told that the outcome is unknown repeats it, if at all; who is gone hears no answer.
      if (deadline.isOver || connection.isGone) knocking.end('withdrawn');
      else deadline.extend(waitMs);
      connection.knocking = knocking;
      void answered.then(() => {
        if (connection.knocking === knocking) connection.knocking = null;
      });
      flight.land();
      letPass();
      return knocking.signal;
    };
    const run = (hasWithdrawn: boolean) =>
      command.run(connection, payload, {
        hasWithdrawn,
        extend: (delayMs) => deadline.extend(delayMs),
        awaitHost,
        span,
      });
    connection.seatChange = turn;
    const work =
      before === null
        ? run(false)
        : before.withdraw().then(() => {
            refuseTooLate(connection, deadline);
            return run(true);
          });
    void work.then(letPass, letPass);
    return work;
  }

  /**
   * In the order in which they came: what follows a create or join means the seat that it brings. What has not begun
   * when its caller is gone, or was told that it is too late, never begins.
   */
  async #awaitTurn(connection: Connection, deadline: AnswerDeadline): Promise<void> {
    if (connection.waiting >= MAX_WAITING) {
      const text = `More than ${MAX_WAITING} commands wait for a create or join: repeat when it is answered.`;
      throw new TandemError('UNAVAILABLE', text, { retryAfterMs: 1000 });
    }
    connection.waiting += 1;
    try {
      await seatSettled(connection);
    } finally {
      connection.waiting -= 1;
    }
    refuseTooLate(connection, deadline);
  }

  /** Gives what was answered. */
  #refuse(connection: Connection, name: unknown, cause: unknown, answer: Answer, startedAt: number): ErrorCode {
    const { metrics } = this.#options;
    const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', ERRORS.INTERNAL.title, { cause });
    const command = typeof name === 'string' ? name : typeof name;
    metrics.commandFailed(command, error.code, (performance.now() - startedAt) / 1000);
    if (error.code === 'INTERNAL') this.#logFault(connection, command, error.cause ?? error);
    if (error.code === 'RATE_LIMITED') this.#countRefusal(connection, error);
    else if (!ERRORS[error.code].retryable) this.#countFailure(connection);
    answer({ ok: false, error: error.toWire() });
    return error.code;
  }

  #logFault(connection: Connection, command: string, error: unknown): void {
    const { id, seat } = connection;
    this.#options.logger.error('internal_error', { connectionId: id, sessionId: seat?.sessionId, command, error });
  }

  /** What is refused for what it is counts for no limit, and still has an end. An outage is no fault of the client. */
  #countFailure(connection: Connection): void {
    const { services, rooms } = this.#options;
    if (services.connectionLimits.isRefusedTooOften(connection, 'any')) {
      setImmediate(() => rooms.end(connection, 'rate_limited'));
    }
  }

  #countRefusal(connection: Connection, { limit }: TandemError): void {
    const { metrics, logger, services, rooms, timeline } = this.#options;
    if (limit !== undefined && isLimitName(limit.name)) {
      metrics.rateLimited(limit.name);
      const { seat } = connection;
      if (seat !== null) timeline.limited(seat.sessionId, seat.seatId, limit.name);
    }
    const now = this.#options.now();
    if (now - connection.refusalLoggedAt >= 1000) {
      connection.refusalLoggedAt = now;
      logger.info('rate_limit_exceeded', { connectionId: connection.id, ip: connection.address, limit: limit?.name });
    }
    if (services.connectionLimits.isRefusedTooOften(connection, 'limit')) {
      setImmediate(() => rooms.end(connection, 'rate_limited'));
    }
  }

  /** Ends a connection that keeps sending what no client sends by mistake; its answers go out first. */
  #strike(connection: Connection): void {
    const { services, rooms, logger } = this.#options;
    if (!services.connectionLimits.isHostile(connection)) return;
    logger.warn('security_event', { connectionId: connection.id, ip: connection.address, reason: 'hostile_packets' });
    setImmediate(() => rooms.end(connection, 'rate_limited'));
  }

  #tellFailure(connection: Connection, name: unknown, outcome: Record<string, unknown>): void {
    if (outcome['ok'] === true) return;
    const command = typeof name === 'string' ? name.slice(0, 64) : typeof name;
    emitTo(connection, 'command:failed', { command, error: outcome['error'] });
  }
}

function refuseTooLate(connection: Connection, deadline: AnswerDeadline): void {
  if (!deadline.isOver && !connection.isGone && connection.closing === null) return;
  throw new TandemError('UNAVAILABLE', 'The command was not begun: its connection is gone, or its time was over.');
}

function hasKey(payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && 'key' in payload && payload.key !== undefined;
}

async function seatSettled(connection: Connection): Promise<void> {
  while (connection.seatChange !== null) await connection.seatChange;
}

function invalidPayload(issues: PayloadIssue[]): TandemError {
  const [first] = issues;
  const where = first === undefined || first.path === '' ? 'The payload' : first.path;
  return new TandemError('INVALID_PAYLOAD', `${where}: ${first?.message ?? 'has the wrong shape'}`, { issues });
}

/** The payload as far as it must be JSON. */
function withoutBinaryBody(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('body' in payload)) return payload;
  return payload.body instanceof Uint8Array ? { ...payload, body: null } : payload;
}
