/**
 * What comes from a server that may be broken or lying, looked through before the library trusts it. Reasons of ends and
 * closings pass as any text: an event that says so in a newer server's word is worth more than no event.
 */
import type { Ack, CommandName } from '../protocol/commands.ts';
import { ERRORS, type ErrorCode, type LimitInfo, type PayloadIssue, type WireError } from '../protocol/errors.ts';
import type { EventName, Events } from '../protocol/events.ts';
import type { Message, Session } from '../protocol/session.ts';

type Guard = (value: unknown) => boolean;

/** A field means the same wherever it stands, so it has one guard. Those that are missing here are texts. */
const FIELDS: Readonly<Record<string, Guard>> = {
  approval: isFlag,
  duplicate: isFlag,
  hasMore: isFlag,
  locked: isFlag,
  reconnect: isFlag,
  reset: isFlag,
  retryable: isFlag,
  shareHistory: isFlag,
  capacity: isCount,
  delivered: isCount,
  durableSeq: isCount,
  epoch: isCount,
  joinedSeq: isCount,
  lastSeq: isCount,
  read: isCount,
  recipients: isCount,
  fromSeq: isSeq,
  seq: isSeq,
  toSeq: isSeq,
  durationSeconds: isDuration,
  points: isDuration,
  reconnectAfterMs: isDuration,
  writtenAt: isDuration,
  code: isTextOrNull,
  codeExpiresAt: isTextOrNull,
  lastId: isTextOrNull,
  name: isTextOrNull,
  secret: isTextOrNull,
  userId: isTextOrNull,
  presence: oneOf('online', 'away'),
  role: oneOf('host', 'guest'),
  state: oneOf('active', 'idle'),
  status: oneOf('waiting', 'paired', 'closed'),
  body: (value) => value !== undefined,
  error: (value) => parseRefusal(value) !== null,
  gap: (value) => value === null || (hasFields(value, 'fromSeq toSeq') && Number(value.fromSeq) <= Number(value.toSeq)),
  info: isSession,
  messages: listOf(isMessage),
  metadata: isRecord,
  participant: isParticipant,
  participants: listOf(isParticipant),
  self: (value) => hasFields(value, 'participantId role'),
  session: isSession,
};

const MESSAGE = 'id seq sessionId from type body sentAt';

/** The fields of each event; the tests take them from the types of the protocol. */
const EVENTS: { readonly [E in EventName]: string } = {
  'session:resumed': 'session self messages hasMore gap reset',
  'session:paired': 'session',
  'session:joined': 'participant session',
  'session:knock': 'knockId name ip',
  'session:presence': 'participantId presence',
  'session:activity': 'participantId state',
  'session:left': 'participantId reason session',
  'session:updated': 'session',
  'session:idle': 'closesAt',
  'session:closed': 'sessionId reason',
  'session:head': 'epoch lastSeq durableSeq',
  'message:new': MESSAGE,
  'message:receipt': 'participantId delivered read',
  'signal:new': 'from type body',
  'connection:closing': 'reason reconnect',
  'server:draining': 'reconnectAfterMs',
  'command:failed': 'command error',
};

/** The fields of each result that has any. */
const RESULTS: { readonly [C in CommandName]?: string } = {
  'session:create': 'session self',
  'session:join': 'session self',
  'session:lock': 'session',
  'session:reopen': 'session',
  'session:get': 'session self',
  'message:send': 'id seq sentAt epoch durableSeq duplicate',
  'message:history': 'messages hasMore lastSeq durableSeq epoch',
  'signal:send': 'recipients',
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it is an object in which each of these fields is what that field is everywhere. */
export function hasFields(value: unknown, fields: string): value is Record<string, unknown> {
  return isRecord(value) && fields.split(' ').every((field) => (FIELDS[field] ?? isText)(value[field]));
}

export function isSession(value: unknown): value is Session {
  return hasFields(
    value,
    'id code status capacity locked approval shareHistory epoch lastSeq durableSeq durability createdAt codeExpiresAt metadata participants',
  );
}

export function isMessage(value: unknown): value is Message {
  return hasFields(value, MESSAGE);
}

/** The payload of an event, null when it is malformed. A binary signal is a Uint8Array in every environment. */
export function parseEvent<E extends EventName>(name: E, payload: unknown): Events[E] | null {
  if (!hasFields(payload, EVENTS[name]) || !(payload.retryAfterMs === undefined || isDuration(payload.retryAfterMs))) {
    return null;
  }
  // Each a copy: browsers hand binary out as an ArrayBuffer, and a newer server knows other codes.
  if (payload.body instanceof ArrayBuffer) payload = { ...payload, body: new Uint8Array(payload.body) };
  else if (name === 'command:failed') payload = { ...payload, error: parseRefusal(payload.error) };
  // Every field has been looked at.
  return payload as Events[E];
}

/** What the callback of a command received, null when it is malformed. */
export function parseAnswer<C extends CommandName>(command: C, answer: unknown): Ack<C> | null {
  if (!isRecord(answer)) return null;
  if (answer.ok === false) {
    const error = parseRefusal(answer.error);
    return error && { ok: false, error };
  }
  const fields = RESULTS[command];
  const isWhole = answer.ok === true && (fields === undefined || hasFields(answer, fields));
  // Seats that were just taken come with their tokens.
  const isTaken = command === 'session:create' || command === 'session:join';
  return isWhole && (!isTaken || hasFields(answer.self, 'resumeToken')) ? (answer as Ack<C>) : null;
}

/**
 * The `data` of a `connect_error`, or the `error` of a command; null when it is malformed. A code of a newer server
 * becomes one that means the same for what to do next. Details that are malformed are left out.
 */
export function parseRefusal(data: unknown): WireError | null {
  if (!hasFields(data, 'code message retryable') || data.code === null) return null;
  const { code, message, retryable, retryAfterMs, limit, issues } = data as unknown as WireError;
  const known: ErrorCode = Object.hasOwn(ERRORS, code) ? code : retryable ? 'INTERNAL' : 'INVALID_PAYLOAD';
  return {
    code: known,
    message,
    retryable,
    ...(isDuration(retryAfterMs) && { retryAfterMs }),
    ...(isLimit(limit) && { limit }),
    ...(areIssues(issues) && { issues }),
  };
}

function isLimit(value: unknown): value is LimitInfo {
  return hasFields(value, 'name scope points durationSeconds') && value.name !== null;
}

function areIssues(value: unknown): value is PayloadIssue[] {
  return listOf((issue) => hasFields(issue, 'path message'))(value);
}

function isParticipant(value: unknown): boolean {
  return hasFields(value, 'id role name userId presence state joinedAt joinedSeq delivered read');
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isTextOrNull(value: unknown): boolean {
  return value === null || isText(value);
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean';
}

/** 0, 1, 2 ... */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isSeq(value: unknown): value is number {
  return isCount(value) && value > 0;
}

function isDuration(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

function oneOf(...values: unknown[]): Guard {
  return (value) => values.includes(value);
}

function listOf(guard: Guard): Guard {
  return (value) => Array.isArray(value) && value.every((item) => guard(item));
}
