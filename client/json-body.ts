import { TandemError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';
import { jsonBytes } from './outbox.ts';

/** Bytes. A packet above 64 KiB ends the connection instead of being refused, and repeated would end each one. */
const LARGEST = 65_000;

/** The body as JSON has it: what goes over the wire, whatever happens to the object meanwhile. */
export function jsonOf(body: unknown): JsonValue {
  let plain: JsonValue;
  try {
    // What has no JSON becomes no text, which is no JSON either.
    plain = JSON.parse(JSON.stringify(body)) as JsonValue;
  } catch (cause) {
    throw new TandemError('INVALID_PAYLOAD', 'The body is missing, or not JSON.', { cause });
  }
  const fault = faultOfSize(plain);
  if (fault !== null) throw fault;
  return plain;
}

/** What no server takes. Bytes travel beside the payload that they are the body of. */
export function faultOfSize(payload: JsonValue | object): TandemError | null {
  const { body } = (payload ?? {}) as { body?: unknown };
  const bytes = body instanceof Uint8Array ? body.length : jsonBytes(payload);
  return bytes > LARGEST ? new TandemError('INVALID_PAYLOAD', `${bytes} bytes; the most is ${LARGEST}.`) : null;
}
