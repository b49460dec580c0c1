const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** When a UUID v7 was made, in Unix milliseconds; null for any other text. In lower case, as ours are written. */
export function uuidTime(text: string): number | null {
  return UUID_V7.test(text) ? Number.parseInt(text.slice(0, 8) + text.slice(9, 13), 16) : null;
}
