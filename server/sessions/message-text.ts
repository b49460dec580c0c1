import type { JsonValue, Message } from '../../protocol/session.ts';
import { iso } from './iso.ts';

export interface OpenMessage {
  readonly sessionId: string;
  readonly from: string;
  readonly id: string;
  readonly type: string;
  readonly bodyJson: string;
}

/** A message on its way to participants: what finds them, and the JSON that they get, which nobody parses on the way. */
export interface Delivery {
  readonly sessionId: string;
  readonly from: string;
  readonly id: string;
  readonly seq: number;
  /** Unix milliseconds. */
  readonly sentAt: number;
  /** The `Message` as JSON text. */
  readonly json: string;
}

/** A message before it has a number, as JSON that is open at its end: seq and time are appended without a parse. */
export function openText({ sessionId, from, id, type, bodyJson }: OpenMessage): string {
  // Ids and types are made of letters that JSON does not escape; the schema at the edge says so.
  return `{"id":"${id}","sessionId":"${sessionId}","from":"${from}","type":"${type}","body":${bodyJson}`;
}

/** What `openText` began, with its number. */
export function closedText(text: string, seq: number, sentAt: number): string {
  return `${text},"seq":${seq},"sentAt":"${iso(sentAt)}"}`;
}

const START = '{"id":"';

/** Whether the text begins as `openText` begins one: a look that costs nothing, and no proof. */
export function isOpenText(text: string): boolean {
  return text.startsWith(START);
}

/** Of a text by `openText`. */
export function idOf(text: string): string {
  return text.slice(START.length, text.indexOf('"', START.length));
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
  return { ...rest, seq, body: JSON.parse(bodyJson) as JsonValue, sentAt: iso(sentAt) };
}

/** Of a message that was read, and not just sent. */
export function deliveryOf(message: Message): Delivery {
  const { sessionId, from, id, seq, sentAt } = message;
  return { sessionId, from, id, seq, sentAt: Date.parse(sentAt), json: JSON.stringify(message) };
}

/** Bytes of the message as it is sent to clients. */
export function messageBytes(text: string, seq: number): number {
  // ,"seq":N,"sentAt":"2026-01-31T12:00:00.000Z"}
  return Buffer.byteLength(text) + 44 + String(seq).length;
}
