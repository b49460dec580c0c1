import type { FailedMessage, QueuedMessage } from '../../client/index.ts';
import type { NoteText, Saying, StoredMessage, Transcript } from './transcript.ts';

/** One line of the list; `key` stays the same while a message goes from the queue to its place in the order. */
export type Line = { readonly key: string } & (
  | { readonly kind: 'day'; readonly day: string }
  | { readonly kind: 'saying'; readonly saying: Saying; readonly isContinued: boolean }
  | { readonly kind: 'missing'; readonly count: number }
  | { readonly kind: 'note'; readonly text: NoteText }
  | { readonly kind: 'failed'; readonly failed: FailedMessage }
  | { readonly kind: 'stored'; readonly stored: StoredMessage }
  | { readonly kind: 'queued'; readonly queued: QueuedMessage }
);

/** Within this time the next message of the same author stands under the same name. */
const CONTINUED_MS = 5 * 60 * 1000;

export function linesOf(transcript: Transcript): Line[] {
  const { stored, failed, queue } = transcript;
  const placed = [
    ...sayingLines(transcript.sayings),
    ...transcript.missing.map(({ fromSeq, toSeq }) => ({
      seq: fromSeq,
      rank: 0,
      line: { key: `missing:${fromSeq}`, kind: 'missing' as const, count: toSeq - fromSeq + 1 },
    })),
    ...transcript.notes.map(({ number, afterSeq, text }) => ({
      seq: afterSeq,
      rank: 2,
      line: { key: `note:${number}`, kind: 'note' as const, text },
    })),
  ].sort((a, b) => a.seq - b.seq || a.rank - b.rank);
  const lines: Line[] = [
    ...placed.map(({ line }) => line),
    ...stored.map((entry): Line => ({ key: `own:${entry.message.id}`, kind: 'stored', stored: entry })),
    ...failed.map((entry): Line => ({ key: `own:${entry.id}`, kind: 'failed', failed: entry })),
    ...queue.map((entry): Line => ({ key: `own:${entry.id}`, kind: 'queued', queued: entry })),
  ];
  return withUniqueKeys(lines);
}

/** The day of a time on this device, such as `2026-01-31`. */
export function dayOf(time: Date): string {
  const digits = (value: number): string => `${value}`.padStart(2, '0');
  return `${time.getFullYear()}-${digits(time.getMonth() + 1)}-${digits(time.getDate())}`;
}

/** What stands at the same seq: first the day, then the message, then what happened after it. */
function sayingLines(sayings: readonly Saying[]): { seq: number; rank: number; line: Line }[] {
  let before: Saying | null = null;
  let day = '';
  return sayings.flatMap((saying) => {
    const { seq, id, isOwn } = saying;
    const today = dayOf(new Date(saying.sentAt));
    const isNewDay = today !== day;
    const key = isOwn ? `own:${id}` : `seq:${seq}:${id}`;
    const line: Line = { key, kind: 'saying', saying, isContinued: !isNewDay && isContinued(before, saying) };
    before = saying;
    day = today;
    const separator: Line = { key: `day:${today}`, kind: 'day', day: today };
    return [...(isNewDay ? [{ seq, rank: 0, line: separator }] : []), { seq, rank: 1, line }];
  });
}

function isContinued(before: Saying | null, saying: Saying): boolean {
  if (before?.from !== saying.from || before.seq !== saying.seq - 1) return false;
  return Date.parse(saying.sentAt) - Date.parse(before.sentAt) < CONTINUED_MS;
}

/** Days repeat when the server's clock was set back, and ids are what their senders make of them. */
function withUniqueKeys(lines: readonly Line[]): Line[] {
  const keys = new Set<string>();
  return lines.map((line) => {
    let { key } = line;
    while (keys.has(key)) key += '+';
    keys.add(key);
    return key === line.key ? line : { ...line, key };
  });
}
