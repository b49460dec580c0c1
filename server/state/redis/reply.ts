/** Replies of Redis, taken apart: what has another shape is a fault of ours, and never half understood. */

export function arrayOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new TypeError(`Expected an array from Redis, received ${typeof reply}`);
}

export function textOf(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  if (typeof reply === 'number') return String(reply);
  throw new TypeError(`Expected text from Redis, received ${typeof reply}`);
}

export function numberOf(reply: unknown): number {
  const value = typeof reply === 'number' ? reply : Number(textOf(reply));
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError(`Expected a whole number from Redis, received ${String(reply)}`);
}

/** Names and values in turn, as `HGETALL` gives them to a script. */
export function fieldsOf(reply: unknown): Map<string, string> {
  const list = arrayOf(reply);
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < list.length; index += 2) fields.set(textOf(list[index]), textOf(list[index + 1]));
  return fields;
}
