import type { WireError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';

export type OutboxState =
  /** Waits for its turn or for the connection. */
  | { kind: 'waiting' }
  | { kind: 'sending' }
  /** Sent at least once without an answer that settles it; is repeated with the same id. */
  | { kind: 'repeating' }
  /** A limit refused it; is repeated at `notBefore`. */
  | { kind: 'limited'; error: WireError }
  /** Refused for good. */
  | { kind: 'failed'; error: WireError };

export interface OutboxEntry {
  readonly id: string;
  readonly type: string;
  readonly body: JsonValue;
  state: OutboxState;
  /** How often an attempt ended without a settling answer. */
  attempts: number;
  /** When it may be sent again: milliseconds since 1970 on this device's clock, 0 for at once. */
  notBefore: number;
}

/** What survives a reload of the page. */
export interface UnsentMessage {
  id: string;
  type: string;
  body: JsonValue;
}

/** Most messages that wait at a time; more are not accepted, so that the page stays bounded while it is offline. */
export const OUTBOX_CAPACITY = 100;

/**
 * What this participant has sent and the server has not acknowledged, in the order of writing. Entries leave it one at
 * a time from the front, so that messages are numbered in the order in which they were written also when some of them
 * have to be repeated.
 */
export class Outbox {
  private readonly list: OutboxEntry[] = [];

  get entries(): readonly OutboxEntry[] {
    return this.list;
  }

  get isFull(): boolean {
    return this.list.length >= OUTBOX_CAPACITY;
  }

  /** The entry whose turn it is: the first that has not failed. */
  get next(): OutboxEntry | undefined {
    return this.list.find((entry) => entry.state.kind !== 'failed');
  }

  add(message: UnsentMessage): void {
    if (!this.list.some(({ id }) => id === message.id)) this.list.push(entryOf(message));
  }

  /** Puts messages that the server lost back in front of everything, in their order. */
  putBack(messages: readonly UnsentMessage[]): void {
    const known = new Set(this.list.map(({ id }) => id));
    this.list.unshift(...messages.filter(({ id }) => !known.has(id)).map(entryOf));
  }

  find(id: string): OutboxEntry | undefined {
    return this.list.find((entry) => entry.id === id);
  }

  /** The message is stored, or its writer gave it up. */
  remove(id: string): void {
    const index = this.list.findIndex((entry) => entry.id === id);
    if (index >= 0) this.list.splice(index, 1);
  }

  /** What has to survive a reload, failed entries too: their writer has not seen the end of them. */
  unsent(): UnsentMessage[] {
    return this.list.map(({ id, type, body }) => ({ id, type, body }));
  }
}

function entryOf({ id, type, body }: UnsentMessage): OutboxEntry {
  return { id, type, body, state: { kind: 'waiting' }, attempts: 0, notBefore: 0 };
}
