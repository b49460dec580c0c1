import { TandemError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';
import { jsonBytes } from './outbox.ts';

/** Largest body that any server takes; a packet above 64 KiB would end the connection instead of being refused. */
const LARGEST_BODY = 49_152;

/** The body as JSON has it: what goes over the wire, whatever happens to the object meanwhile. */
export function jsonOf(body: unknown): JsonValue {
  let plain: JsonValue | undefined;
  try {
    const text = JSON.stringify(body) as string | undefined;
    plain = text === undefined ? undefined : (JSON.parse(text) as JsonValue);
  } catch (cause) {
    throw new TandemError('INVALID_PAYLOAD', 'The body is not JSON.', { cause });
  }
  if (plain === undefined) throw new TandemError('INVALID_PAYLOAD', 'The body is missing, or not JSON.');
  const bytes = jsonBytes(plain);
  if (bytes > LARGEST_BODY) {
    const text = `The body has ${bytes} bytes as JSON; the most is ${LARGEST_BODY}.`;
    throw new TandemError('INVALID_PAYLOAD', text);
  }
  return plain;
}
