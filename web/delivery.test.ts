import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CommandName, CommandPayload, CommandResult } from '../protocol/commands.ts';
import type { WireError } from '../protocol/errors.ts';
import type { Events } from '../protocol/events.ts';
import type { Message, Session } from '../protocol/session.ts';
import type { Outcome } from './connection.ts';
import { Delivery } from './delivery.ts';

const SENT_AT = '2026-01-31T12:00:00.000Z';
const seat = { sessionId: 'session', participantId: 'me', epoch: 1 };
const unavailable: WireError = { code: 'UNAVAILABLE', message: 'later', retryable: true };
const limited: WireError = { code: 'RATE_LIMITED', message: 'slowly', retryable: true, retryAfterMs: 30_000 };
const tooLong: WireError = { code: 'INVALID_PAYLOAD', message: 'too long', retryable: false };

/** The server's side of one session: numbers what is sent, once for each id, and answers history from what it has. */
class Store {
  readonly log: Message[] = [];
  epoch = 1;
  durableSeq = 0;
  restarts = 0;
  /** What happens to the next sends: refused, or stored with the answer lost. */
  readonly faults: (WireError | 'ack_lost')[] = [];
  historyRequests = 0;

  request<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<Outcome<C>> {
    // One answer for each of the two commands that delivery uses; the types cannot follow the name.
    const answer = command === 'message:send' ? this.send(payload as never) : this.history(payload as never);
    return Promise.resolve(answer as Outcome<C>);
  }

  restart(): void {
    this.restarts += 1;
  }

  write(from: string, id: string, body: string): Message {
    const message = { id, seq: this.log.length + 1, sessionId: 'session', from, type: 'text', body, sentAt: SENT_AT };
    this.log.push(message);
    return message;
  }

  resumed(position: { lastSeq: number; durableSeq: number }, reset = false): Events['session:resumed'] {
    const afterSeq = reset ? Math.min(position.durableSeq, position.lastSeq) : position.lastSeq;
    return {
      session: this.session(),
      self: { participantId: 'me', role: 'host' },
      messages: this.log.slice(afterSeq),
      hasMore: false,
      gap: null,
      reset,
    };
  }

  session(): Session {
    const head = { epoch: this.epoch, lastSeq: this.log.length, durableSeq: this.durableSeq };
    // Delivery looks at nothing but the head of a session.
    return head as Session;
  }

  private send({ id, body }: { id: string; body: string }): Outcome<'message:send'> {
    const fault = this.faults.shift();
    if (fault !== undefined && fault !== 'ack_lost') return { kind: 'refused', error: fault };
    const known = this.log.find((message) => message.from === 'me' && message.id === id);
    const { seq, sentAt } = known ?? this.write('me', id, body);
    if (fault === 'ack_lost') return { kind: 'lost' };
    const { epoch, durableSeq } = this;
    return { kind: 'ok', result: { id, seq, sentAt, epoch, durableSeq, duplicate: known !== undefined } };
  }

  private history({ afterSeq = 0, limit = 50 }: CommandPayload<'message:history'>): Outcome<'message:history'> {
    this.historyRequests += 1;
    const messages = this.log.filter(({ seq }) => seq > afterSeq).slice(0, limit);
    const hasMore = (messages.at(-1)?.seq ?? this.log.length) < this.log.length;
    const { epoch, durableSeq } = this;
    const result: CommandResult<'message:history'> = {
      messages,
      hasMore,
      lastSeq: this.log.length,
      durableSeq,
      epoch,
    };
    return { kind: 'ok', result };
  }
}

let store: Store;
let delivery: Delivery;
let dropped: unknown[];

function newDelivery(): Delivery {
  return new Delivery(seat, store, {
    changed: () => undefined,
    rolledBack: (messages) => dropped.push(...messages.map(({ body }) => body)),
  });
}

beforeEach(() => {
  jest.useFakeTimers();
  store = new Store();
  dropped = [];
  delivery = newDelivery();
  delivery.opened(store.session(), 0);
});

afterEach(() => {
  delivery.interrupted();
  jest.useRealTimers();
});

const passMs = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
const shown = (): unknown[] => delivery.log.messages.map(({ body }) => body);
const stored = (): unknown[] => store.log.map(({ body }) => body);
const waiting = (): string[] => delivery.outbox.entries.map(({ state }) => state.kind);

describe('sending', () => {
  it('stores messages in the order of writing and shows them once', async () => {
    for (const body of ['a', 'b', 'c']) delivery.send(body);
    await passMs(0);
    expect(stored()).toEqual(['a', 'b', 'c']);
    expect(shown()).toEqual(['a', 'b', 'c']);
    expect(waiting()).toEqual([]);
  });

  it('repeats a send whose answer was lost under the same id, and nothing overtakes it', async () => {
    store.faults.push('ack_lost');
    delivery.send('a');
    delivery.send('b');
    await passMs(0);
    expect(waiting()).toEqual(['repeating', 'waiting']);
    await passMs(500);
    expect(stored()).toEqual(['a', 'b']);
    expect(shown()).toEqual(['a', 'b']);
  });

  it('goes on at once on a new connection, and drops from the outbox what the resume shows as stored', async () => {
    store.faults.push('ack_lost', unavailable);
    delivery.send('a');
    await passMs(0);
    delivery.interrupted();
    delivery.send('b');
    const { lastSeq, durableSeq } = delivery.position();
    delivery.resumed(store.resumed({ lastSeq, durableSeq }), 0);
    expect(shown()).toEqual(['a']);
    expect(waiting()).toEqual(['sending']);
    await passMs(500);
    expect(stored()).toEqual(['a', 'b']);
  });

  it('waits as long as a limit asks, also across a new connection', async () => {
    store.faults.push(limited);
    delivery.send('a');
    await passMs(0);
    expect(waiting()).toEqual(['limited']);
    delivery.interrupted();
    delivery.resumed(store.resumed(delivery.position()), 0);
    await passMs(29_999);
    expect(stored()).toEqual([]);
    await passMs(1);
    expect(stored()).toEqual(['a']);
  });

  it('keeps what was refused for good in sight, and sends the next', async () => {
    store.faults.push(tooLong);
    delivery.send('too long');
    delivery.send('b');
    await passMs(0);
    expect(waiting()).toEqual(['failed']);
    expect(stored()).toEqual(['b']);
  });
});

describe('receiving', () => {
  it('fetches what was lost on its way, once it is sure that it was lost', async () => {
    store.write('peer', 'peer-0001', 'a');
    const second = store.write('peer', 'peer-0002', 'b');
    delivery.receive(second);
    await passMs(700);
    expect(store.historyRequests).toBe(0);
    await passMs(200);
    expect(shown()).toEqual(['a', 'b']);
  });

  it('asks for nothing when a message only came late', async () => {
    const first = store.write('peer', 'peer-0001', 'a');
    const second = store.write('peer', 'peer-0002', 'b');
    delivery.receive(second);
    await passMs(300);
    delivery.receive(first);
    await passMs(10_000);
    expect(shown()).toEqual(['a', 'b']);
    expect(store.historyRequests).toBe(0);
  });

  it('finds a lost tail from the head of the session', async () => {
    store.write('peer', 'peer-0001', 'a');
    delivery.headSeen(store.session());
    await passMs(1_000);
    expect(shown()).toEqual(['a']);
  });

  it('pages through all that a resume could not carry', async () => {
    for (let n = 1; n <= 450; n++) store.write('peer', `peer-${n}-long`, `${n}`);
    delivery.interrupted();
    const event = store.resumed(delivery.position());
    delivery.resumed({ ...event, messages: event.messages.slice(0, 10), hasMore: true }, 0);
    await passMs(0);
    expect(shown()).toHaveLength(450);
    expect(delivery.log.lastSeq).toBe(450);
  });

  it('ignores messages of another session', () => {
    delivery.receive({ ...store.write('peer', 'peer-0001', 'a'), sessionId: 'another' });
    expect(shown()).toEqual([]);
  });
});

describe('a store that went back to an earlier state', () => {
  /** Three messages, two of them own, of which only the first is in the archive. */
  async function converse(): Promise<void> {
    delivery.send('mine 1');
    await passMs(0);
    store.durableSeq = 1;
    delivery.receive(store.write('peer', 'peer-0002', 'theirs'));
    delivery.send('mine 2');
    await passMs(0);
  }

  it('gets own messages again that it lost, before anything newer, and those of others vanish', async () => {
    await converse();
    delivery.interrupted();
    delivery.send('newer');
    store.log.splice(1);
    store.epoch = 2;
    delivery.resumed(store.resumed(delivery.position(), true), 0);
    await passMs(0);
    expect(dropped).toEqual(['theirs', 'mine 2']);
    expect(stored()).toEqual(['mine 1', 'mine 2', 'newer']);
    expect(shown()).toEqual(stored());
    expect(delivery.epoch).toBe(2);
  });

  it('does not get again what it still has', async () => {
    await converse();
    delivery.interrupted();
    store.epoch = 2;
    delivery.resumed(store.resumed(delivery.position(), true), 0);
    await passMs(0);
    expect(stored()).toEqual(['mine 1', 'theirs', 'mine 2']);
    expect(shown()).toEqual(stored());
    expect(waiting()).toEqual([]);
  });

  it('is met by a new handshake when an answer tells of a new epoch', async () => {
    store.epoch = 2;
    delivery.send('a');
    await passMs(0);
    expect(store.restarts).toBe(1);
    expect(waiting()).toEqual(['repeating']);
    delivery.interrupted();
    delivery.resumed(store.resumed(delivery.position(), true), 0);
    await passMs(1_000);
    expect(stored()).toEqual(['a']);
    expect(shown()).toEqual(['a']);
  });
});

describe('a reload of the page', () => {
  it('shows everything again and sends what was not confirmed, under its id', async () => {
    delivery.send('a');
    await passMs(0);
    store.faults.push('ack_lost');
    delivery.send('b');
    await passMs(0);
    delivery.interrupted();
    const unsent = delivery.outbox.unsent();
    delivery = newDelivery();
    for (const message of unsent) delivery.outbox.add(message);
    expect(delivery.position()).toEqual({ epoch: 1, lastSeq: 0, durableSeq: 0 });
    delivery.resumed(store.resumed(delivery.position()), 0);
    await passMs(0);
    expect(shown()).toEqual(['a', 'b']);
    expect(stored()).toEqual(['a', 'b']);
    expect(waiting()).toEqual([]);
  });
});
