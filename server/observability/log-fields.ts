import { isNativeError } from 'node:util/types';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { JsonObject, JsonValue } from '../../protocol/session.ts';
import { maskMailAddress } from './log-mask.ts';
import { maskIp } from './mask-ip.ts';
import type { TextMask } from './secret-mask.ts';

/**
 * All that a log line may carry. A field that is not listed here is dropped at runtime too, so that a token, a code, a
 * body or an address cannot get into a log by way of a spread object. `undefined` means absent.
 */
export interface LogFields {
  /** The caller may have made it: an id like those of proxies is kept as it is. */
  requestId?: string | undefined;
  sessionId?: string | undefined;
  participantId?: string | undefined;
  connectionId?: string | undefined;
  /** Written masked: 192.0.2.x, or the first /48 of IPv6. */
  ip?: string | undefined;
  /** A mail address, written as `a***@example.com`. */
  recipient?: string | undefined;
  command?: string | undefined;
  errorCode?: ErrorCode | undefined;
  reason?: string | undefined;
  limit?: string | undefined;
  scope?: string | undefined;
  /** What an operator did something to: the id of an instance or a user. */
  target?: string | undefined;
  /** Of a device of that user. */
  loginId?: string | undefined;
  /** What became of it: `ok`, or the code of an error. */
  outcome?: 'ok' | ErrorCode | undefined;
  phase?: string | undefined;
  signal?: string | undefined;
  route?: string | undefined;
  query?: string | undefined;
  durationMs?: number | undefined;
  delayMs?: number | undefined;
  count?: number | undefined;
  /** Lines like this one that were left out since the last: somebody brought about too many. */
  suppressed?: number | undefined;
  attempt?: number | undefined;
  seq?: number | undefined;
  epoch?: number | undefined;
  bytes?: number | undefined;
  exitCode?: number | undefined;
  host?: string | undefined;
  port?: number | undefined;
  state?: string | undefined;
  database?: string | undefined;
  durability?: string | undefined;
  version?: string | undefined;
  /** Configured limits, as `server_started` names them. */
  limits?: JsonObject | undefined;
  /** Written as name, message and stack, masked; no other property of it. */
  error?: unknown;
}

type Serializer = (value: unknown, mask: TextMask) => JsonValue | undefined;

const SERIALIZERS: { readonly [Name in keyof Required<LogFields>]: Serializer } = {
  requestId: (value, mask) =>
    typeof value === 'string' && PLAIN_ID.test(value) ? text(value) : maskedText(value, mask),
  sessionId: text,
  participantId: text,
  connectionId: text,
  ip: (value) => (typeof value === 'string' ? maskIp(value) : undefined),
  recipient: (value) => (typeof value === 'string' ? shorten(maskMailAddress(value), MAX_TEXT) : undefined),
  command: maskedText,
  errorCode: text,
  reason: maskedText,
  limit: text,
  scope: text,
  target: maskedText,
  loginId: text,
  outcome: text,
  phase: text,
  signal: text,
  route: text,
  query: text,
  durationMs: (value) => (typeof value === 'number' ? finite(Math.round(value * 1000) / 1000) : undefined),
  delayMs: finite,
  count: finite,
  suppressed: finite,
  attempt: finite,
  seq: finite,
  epoch: finite,
  bytes: finite,
  exitCode: finite,
  host: text,
  port: finite,
  state: text,
  database: text,
  durability: text,
  version: text,
  limits: (value) => (isJsonObject(value) ? value : undefined),
  error: describeError,
};

const FIELDS = Object.entries(SERIALIZERS);

/** Longest text that a field keeps: a command name from the wire may have 60,000 characters. */
const MAX_TEXT = 256;
const MAX_STACK = 8192;
/** Proxies number requests in hex, which is how a key looks too. */
const PLAIN_ID = /^[0-9a-f-]+$/i;

/** The allowed fields, masked and shortened, in a constant order. */
export function serializeFields(fields: LogFields, mask: TextMask): JsonObject {
  const serialized: JsonObject = {};
  for (const [name, serialize] of FIELDS) {
    if (!Object.hasOwn(fields, name)) continue;
    const value = serialize(fields[name as keyof LogFields], mask);
    if (value !== undefined) serialized[name] = value;
  }
  return serialized;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? shorten(value, MAX_TEXT) : undefined;
}

function maskedText(value: unknown, mask: TextMask): string | undefined {
  return typeof value === 'string' ? masked(value, MAX_TEXT, mask) : undefined;
}

/** Cut last, so that no half of an address or token is left at the cut; and first, so that no text costs much. */
function masked(value: string, length: number, mask: TextMask): string {
  return shorten(mask(value.slice(0, 2 * length), value.length > 2 * length), length);
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function describeError(value: unknown, mask: TextMask): JsonValue | undefined {
  if (value === undefined) return undefined;
  // What is thrown but is no Error may be anything, a request body too: its type is all that is safe to write.
  // Not `instanceof`: what Node.js throws by itself may be of another realm than this one, as in a test or a worker.
  if (!isNativeError(value)) return { name: 'NotAnError', message: `thrown value of type ${typeof value}` };
  const described: JsonObject = {
    name: masked(value.name, MAX_TEXT, mask),
    message: masked(value.message, MAX_STACK, mask),
  };
  if (typeof value.stack === 'string') described.stack = masked(value.stack, MAX_STACK, mask);
  return described;
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shorten(value: string, length: number): string {
  return value.length <= length ? value : `${value.slice(0, length)}...`;
}
