let lastMs = Number.NaN;
let lastText = '';

/** Messages, and what is said of them, share the text of their millisecond: making it costs as much as their envelope. */
export function iso(unixMs: number): string {
  if (unixMs !== lastMs) {
    lastText = new Date(unixMs).toISOString();
    lastMs = unixMs;
  }
  return lastText;
}
