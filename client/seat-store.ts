import type { JsonValue, Session } from '../protocol/session.ts';
import { randomId } from './random-id.ts';
import type { SeatStorage } from './types.ts';
import { hasFields, isCount, isRecord, isSeq } from './wire.ts';

export interface StoredSeat {
  sessionId: string;
  participantId: string;
  resumeToken: string;
  /** Key of an encrypted session, null when it is not encrypted. */
  secret: string | null;
  info: Session;
}

export interface StoredPosition {
  epoch: number;
  lastSeq: number;
  lastId: string | null;
  durableSeq: number;
}

export interface StoredMessage {
  id: string;
  type: string;
  body: JsonValue;
  /** What goes over the wire in an encrypted session. */
  sealed?: JsonValue;
  /** Milliseconds since 1970. */
  writtenAt: number;
  /** Acknowledged with this seq, not yet durable. */
  seq?: number;
}

export interface StoredState {
  seat: StoredSeat;
  position: StoredPosition;
  /** Ascending by `order`. Two may have the same one, from two tabs. */
  messages: { order: number; message: StoredMessage }[];
}

/** No storage holds more; one that says so lies. */
const MOST_KEYS = 100_000;

/**
 * Seat, position and queue in a storage. Each message has a key of its own, `<prefix>.m.<participant>.<order>.<id>`:
 * adding one is one small write, and two tabs that share a storage never overwrite each other's. The participant is in it,
 * and in the key of the position, because the tabs may have different seats, and what was written for one session must
 * never be sent to another.
 */
export class SeatStore {
  readonly #storage: SeatStorage | null;
  readonly #prefix: string;
  /** Of the seat in hand. */
  #participantId = '';
  /** Tells this page's seat from one that another tab has put in its place, be it the same one. */
  readonly #holder = randomId(8);

  constructor(storage: SeatStorage | null, prefix: string) {
    this.#storage = storage;
    this.#prefix = `${prefix}.`;
  }

  /** What an earlier page left. What is malformed is skipped; without a valid seat it is null. */
  load(): StoredState | null {
    const stored = this.#read('seat');
    if (!hasFields(stored, 'sessionId participantId resumeToken secret info')) return null;
    delete stored.holder;
    // Every field has been looked at.
    const seat = stored as unknown as StoredSeat;
    const { participantId, sessionId, info } = seat;
    if (info.id !== sessionId) return null;
    this.#participantId = participantId;
    const position = this.#read(this.#positionKey());
    const messages = this.#ownKeys().flatMap((key) => {
      const message = parseMessage(this.#read(key));
      const order = Number(key.split('.')[2]);
      // Under any other key it could not be removed again.
      return message !== null && isCount(order) && key === this.#messageKey(order, message.id)
        ? [{ order, message }]
        : [];
    });
    messages.sort((a, b) => a.order - b.order || a.message.writtenAt - b.message.writtenAt);
    return {
      seat,
      // Without one it starts over: the server then sends again what this participant may see.
      position: hasFields(position, 'epoch lastSeq lastId durableSeq')
        ? (position as unknown as StoredPosition)
        : { epoch: info.epoch, lastSeq: 0, lastId: null, durableSeq: 0 },
      messages,
    };
  }

  /** False: it could not be stored. Without a storage nobody asked for it, which is true. */
  saveSeat(seat: StoredSeat): boolean {
    // Should there be no room for another seat, the old one must not come back in its place.
    if (this.#participantId !== seat.participantId) this.#remove('seat');
    this.#participantId = seat.participantId;
    return this.#write('seat', { ...seat, holder: this.#holder });
  }

  /** Of the seat in hand, as are the messages. */
  savePosition(position: StoredPosition): boolean {
    return this.#write(this.#positionKey(), position);
  }

  putMessage(order: number, message: StoredMessage): boolean {
    return this.#write(this.#messageKey(order, message.id), message);
  }

  removeMessage(order: number, id: string): void {
    this.#remove(this.#messageKey(order, id));
  }

  /** Removes everything of this prefix, of earlier seats too, unless another tab has its seat there. */
  forget(): void {
    const stored = this.#read('seat');
    if (isRecord(stored) && stored.holder !== this.#holder) return;
    for (const key of ['seat', ...this.#ownKeys()]) this.#remove(key);
  }

  #positionKey(): string {
    return `position.${this.#participantId}`;
  }

  #messageKey(order: number, id: string): string {
    return `m.${this.#participantId}.${order}.${id}`;
  }

  /** Of the positions and messages of all seats. */
  #ownKeys(): string[] {
    const keys: string[] = [];
    this.#attempt((storage) => {
      for (let index = Math.min(MOST_KEYS, storage.length) - 1; index >= 0; index--) {
        const key = String(storage.key(index));
        if (key.startsWith(this.#prefix)) keys.push(key.slice(this.#prefix.length));
      }
    });
    // Another prefix may begin with this one.
    return keys.filter((key) => /^(position|m(\.[\w-]+){2})\.[\w-]+$/.test(key));
  }

  #read(key: string): unknown {
    let value: unknown;
    this.#attempt((storage) => {
      value = JSON.parse(storage.getItem(this.#prefix + key) ?? 'null');
    });
    return value;
  }

  #write(key: string, value: object): boolean {
    return this.#attempt((storage) => storage.setItem(this.#prefix + key, JSON.stringify(value)));
  }

  #remove(key: string): void {
    this.#attempt((storage) => storage.removeItem(this.#prefix + key));
  }

  /** False when storage is forbidden or full, or holds what this library did not write. */
  #attempt(use: (storage: SeatStorage) => void): boolean {
    try {
      if (this.#storage) use(this.#storage);
      return true;
    } catch {
      return false;
    }
  }
}

/** A message that has lost its `seq` is sent again, and the server knows it by its id. */
function parseMessage(value: unknown): StoredMessage | null {
  if (!hasFields(value, 'id type body writtenAt')) return null;
  const { seq, ...message } = value as unknown as StoredMessage;
  return isSeq(seq) ? { ...message, seq } : message;
}
