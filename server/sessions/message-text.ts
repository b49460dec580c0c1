import type { JsonValue, Message } from '../../../protocol/session.ts';

export interface OpenMessage {
  readonly sessionId: string;
  readonly from: string;
  readonly id: string;
  readonly type: string;
  readonly bodyJson: string;
}

/** A message before it has a number, as JSON that is open at its end: seq and time are appended without a parse. */
export function openText({ sessionId, from, id, type, bodyJson }: OpenMessage): string {
  // Ids and types are made of letters that JSON does not escape; the schema at the edge says so.
  return `{"id":"${id}","sessionId":"${sessionId}","from":"${from}","type":"${type}","body":${bodyJson}`;
}

const OPEN = /^\{"id":"([^"]*)","sessionId":"([^"]*)","from":"([^"]*)","type":"([^"]*)","body":/;

/** The message with its body as the text that was sent. Throws when the text was not written by `openText`. */
export function bodyOf(text: string): OpenMessage {
  const parts = OPEN.exec(text);
  if (parts === null) throw new TypeError('Expected a message as it is appended, received other text');
  const [head, id = '', sessionId = '', from = '', type = ''] = parts;
  return { id, sessionId, from, type, bodyJson: text.slice(head.length) };
}

export function messageOf(text: string, seq: number, sentAt: number): Message {
  const { bodyJson, ...rest } = bodyOf(text);
  return { ...rest, seq, body: JSON.parse(bodyJson) as JsonValue, sentAt: new Date(sentAt).toISOString() };
}

/** Bytes of the message as it is sent to clients. */
export function messageBytes(text: string, seq: number): number {
  // ,"seq":N,"sentAt":"2026-01-31T12:00:00.000Z"}
  return Buffer.byteLength(text) + 44 + String(seq).length;
}
