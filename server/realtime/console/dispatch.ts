import type { ConsoleCommandName } from '../../../protocol/console.ts';
import { ERRORS, TandemError, type ErrorCode } from '../../../protocol/errors.ts';
import { inspectJson, isOverDeep } from '../../../protocol/json.ts';
import { SIZES, type LimitInfo } from '../../../protocol/limits.ts';
import type { SlidingWindow } from '../../limits/sliding-window.ts';
import type { Logger } from '../../observability/logger.ts';
import { issuesOf } from '../../sessions/payloads.ts';
import { invalid, rateLimited } from '../../sessions/refusals.ts';
import { AnswerDeadlines } from '../answer-deadline.ts';
import type { ConsoleHandlers, OperatorAction } from './commands.ts';
import type { Operator } from './operator.ts';
import { schemas } from './schemas.ts';

type Answer = (answer: Record<string, unknown>) => void;

/** A console asks for a few things at a time; more wait at its side. */
const MAX_IN_FLIGHT = 4;
/** On top of what every command gets: a list waits for the archive and the database, a drain for another instance. */
const MORE_MS = 2500;
const COMMANDS: LimitInfo = { name: 'commands_console', scope: 'connection', points: 20, durationSeconds: 1 };
/** So many refusals by the limit, or packets that no console sends by mistake, within so long, end its connection. */
const REFUSALS = { count: 100, windowMs: 10_000 };
const BAD_PACKETS = { count: 20, windowMs: 10_000 };

export interface ConsoleDispatchOptions {
  readonly handlers: ConsoleHandlers;
  readonly logger: Logger;
  readonly now: () => number;
}

/** A command once its payload can be handed to it: the type of the one does not leave the other. */
interface Parsed {
  readonly action: OperatorAction | null;
  readonly run: () => Promise<object>;
}

/** The way of every command of a console. Nothing that one throws, now or later, leaves this file. */
export class ConsoleDispatch {
  readonly #options: ConsoleDispatchOptions;
  readonly #deadlines = new AnswerDeadlines();
  readonly #parsers: ReadonlyMap<unknown, (payload: unknown) => Parsed>;

  constructor(options: ConsoleDispatchOptions) {
    this.#options = options;
    const names = Object.keys(schemas) as ConsoleCommandName[]; // By its `satisfies`.
    this.#parsers = new Map(names.map((name) => [name, parserOf(options.handlers, name)]));
  }

  /** Takes one packet: `[event, payload?, ack?]`, as Socket.IO decoded it. */
  take(operator: Operator, packet: readonly unknown[]): void {
    if (operator.isClosing) return;
    const last = packet[packet.length - 1];
    // One that does not want to know is not told: nothing waits for it.
    const answer: Answer = typeof last === 'function' ? (last as Answer) : () => undefined;
    const args = packet.slice(1, typeof last === 'function' ? -1 : undefined);
    const name = packet[0];
    const parse = this.#parsers.get(name);
    try {
      this.#admit(operator);
      if (parse === undefined) {
        this.#strike(operator);
        throw new TandemError('UNKNOWN_COMMAND', 'There is no such command; docs/protocol.md lists all.');
      }
      const parsed = this.#parse(operator, parse, args);
      void this.#work(operator, name as ConsoleCommandName, parsed, answer);
    } catch (error) {
      this.#refuse(operator, name, error, answer);
    }
  }

  #admit(operator: Operator): void {
    const now = this.#options.now();
    const waitMs = operator.commands.waitMs(COMMANDS.points, COMMANDS.durationSeconds * 1000, now);
    if (waitMs > 0) {
      if (isOneTooMany(operator.refusals, REFUSALS, now)) setImmediate(() => operator.end());
      throw rateLimited(COMMANDS, waitMs);
    }
    operator.commands.take(now);
    if (operator.inFlight >= MAX_IN_FLIGHT) {
      const text = `More than ${MAX_IN_FLIGHT} commands of this console wait for an answer: repeat when one has come.`;
      throw new TandemError('UNAVAILABLE', text, { retryAfterMs: 200 });
    }
  }

  #parse(operator: Operator, parse: (payload: unknown) => Parsed, args: readonly unknown[]): Parsed {
    if (args.length > 1) throw invalid('', 'expected one payload');
    const payload = args.length === 0 ? {} : args[0];
    const issue = inspectJson(payload, SIZES.depth);
    if (issue === null) return parse(payload);
    if (isOverDeep(issue)) this.#strike(operator);
    throw invalid(issue.path, issue.message);
  }

  async #work(operator: Operator, name: ConsoleCommandName, { action, run }: Parsed, answer: Answer): Promise<void> {
    const deadline = this.#deadlines.begin(() => {
      const text = 'The server did not finish this in time; the outcome is unknown: look, and repeat it if need be.';
      this.#refuse(operator, name, new TandemError('UNAVAILABLE', text), answer);
    });
    deadline.extend(MORE_MS);
    operator.inFlight += 1;
    try {
      const result = await run();
      this.#record(operator, name, action, 'ok');
      if (!deadline.isOver) answer({ ok: true, ...result });
    } catch (error) {
      this.#record(operator, name, action, error instanceof TandemError ? error.code : 'INTERNAL');
      if (!deadline.isOver) this.#refuse(operator, name, error, answer);
      else if (!(error instanceof TandemError)) this.#logFault(operator, name, error);
    } finally {
      deadline.clear();
      operator.inFlight -= 1;
    }
  }

  /** What an operator changed or tried to, when it is known what became of it: also after the answer was put off. */
  #record(
    { socket, address: ip }: Operator,
    command: ConsoleCommandName,
    action: OperatorAction | null,
    outcome: 'ok' | ErrorCode,
  ): void {
    if (action === null) return;
    const fields = { connectionId: socket.id, ip, command, reason: 'operator', ...action, outcome };
    this.#options.logger.warn('security_event', fields);
  }

  #refuse(operator: Operator, name: unknown, cause: unknown, answer: Answer): void {
    const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', ERRORS.INTERNAL.title, { cause });
    if (error.code === 'INTERNAL') this.#logFault(operator, String(name), error.cause ?? error);
    answer({ ok: false, error: error.toWire() });
  }

  #logFault({ socket }: Operator, command: string, error: unknown): void {
    this.#options.logger.error('internal_error', { connectionId: socket.id, command, error });
  }

  /** Its answers go out first. */
  #strike(operator: Operator): void {
    if (!isOneTooMany(operator.badPackets, BAD_PACKETS, this.#options.now())) return;
    const { socket, address: ip } = operator;
    this.#options.logger.warn('security_event', { connectionId: socket.id, ip, reason: 'hostile_packets' });
    setImmediate(() => operator.end());
  }
}

function isOneTooMany(window: SlidingWindow, most: { count: number; windowMs: number }, now: number): boolean {
  window.take(now);
  return window.waitMs(most.count, most.windowMs, now) > 0;
}

function parserOf(handlers: ConsoleHandlers, name: ConsoleCommandName): (payload: unknown) => Parsed {
  // Payload and handler are of the same name, and the compiler does not follow it through both tables.
  const handler = handlers[name] as {
    run: (payload: unknown) => Promise<object>;
    action?: (payload: unknown) => OperatorAction;
  };
  return (payload) => {
    const parsed = schemas[name].safeParse(payload);
    if (!parsed.success) {
      const issues = issuesOf(parsed.error);
      const [first] = issues;
      const where = first === undefined || first.path === '' ? 'The payload' : first.path;
      throw new TandemError('INVALID_PAYLOAD', `${where}: ${first?.message ?? 'has the wrong shape'}`, { issues });
    }
    const { data } = parsed;
    return { action: handler.action?.(data) ?? null, run: () => handler.run(data) };
  };
}
