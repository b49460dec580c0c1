import type { z } from 'zod';
import { TandemError } from '../../../protocol/errors.ts';
import type { CommandName, CommandResult } from '../../../protocol/commands.ts';
import type { LimitRules } from '../../limits/limit-rules.ts';
import type { Span } from '../../observability/span.ts';
import type { MessageService } from '../../sessions/message-service.ts';
import { maskIp } from '../../observability/mask-ip.ts';
import { refused } from '../../sessions/refusals.ts';
import type { Caller, HeldSeat, Seating } from '../../sessions/seating.ts';
import type { SessionService } from '../../sessions/session-service.ts';
import type { Connection } from '../connection.ts';
import type { ConnectionLimits } from '../connection-limits.ts';
import type { SignedIn } from '../signed-in.ts';

/** What commands are made of. */
export interface Services {
  seating: Seating;
  sessions: SessionService;
  messages: MessageService;
  limits: LimitRules;
  connectionLimits: ConnectionLimits;
  maxBodyBytes: number;
  signedIn: Pick<SignedIn, 'refresh'>;
  onSignal: () => void;
}

/** What a command may know and ask of the way on which it came. */
export interface Course {
  /** A join of this connection waited for its host, and was withdrawn to make way for this command. */
  readonly hasWithdrawn: boolean;
  /** Puts the deadline of the answer off: by a wait that the rules demand, not by work that takes long. */
  readonly extend: (delayMs: number) => void;
  /** The answer waits so long for a person, and further commands need not wait with it. Aborts when nobody waits any more. */
  readonly awaitHost: (waitMs: number) => AbortSignal;
  /** Null: the command is not traced. */
  readonly span: Span | null;
}

/** One command: its payload's schema, and what it does. */
export interface Command {
  readonly name: CommandName;
  readonly schema: z.ZodType;
  /** It may give the connection a seat or take it: others of this connection wait for it. */
  readonly changesSeat: boolean;
  /** `body` may be one Buffer. */
  readonly allowsBinaryBody: boolean;
  /** It reserves the limits of its connection itself, because a repeated send is answered when they are exhausted. */
  readonly reservesOwnLimits: boolean;
  run(connection: Connection, payload: unknown, course: Course): Promise<Record<string, unknown>>;
}

export interface CommandSpec<C extends CommandName, S extends z.ZodType> {
  name: C;
  schema: S;
  changesSeat?: boolean;
  allowsBinaryBody?: boolean;
  reservesOwnLimits?: boolean;
  handle(connection: Connection, payload: z.output<S>, course: Course): Promise<CommandResult<C>>;
}

export function defineCommand<C extends CommandName, S extends z.ZodType>(spec: CommandSpec<C, S>): Command {
  return {
    name: spec.name,
    schema: spec.schema,
    changesSeat: spec.changesSeat ?? false,
    allowsBinaryBody: spec.allowsBinaryBody ?? false,
    reservesOwnLimits: spec.reservesOwnLimits ?? false,
    // `payload` is what this command's own schema returned.
    run: (connection, payload, course) => spec.handle(connection, payload as z.output<S>, course),
  };
}

/** The seat of the connection. Throws `NOT_IN_SESSION`. */
export function seatOf(connection: Connection): HeldSeat {
  if (connection.seat === null) throw refused('not_seated');
  return connection.seat;
}

export function callerOf(connection: Connection): Caller {
  const { ip, address, seat, identity } = connection;
  return { connection, ip, maskedIp: maskIp(address), userId: identity?.userId ?? null, seat };
}

export function isRateLimit(error: unknown): error is TandemError {
  return error instanceof TandemError && error.code === 'RATE_LIMITED';
}
