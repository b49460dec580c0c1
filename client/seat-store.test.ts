import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Participant, Session } from '../protocol/session.ts';
import { SeatStore, type StoredMessage, type StoredPosition, type StoredSeat } from './seat-store.ts';
import type { SeatStorage } from './types.ts';

/** A storage as browsers have it, with room for `room` characters; `writes` counts what was written. */
class FakeStorage implements SeatStorage {
  readonly items = new Map<string, string>();
  room = Number.POSITIVE_INFINITY;
  readonly writes: string[] = [];

  get length(): number {
    return this.items.size;
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    const others = [...this.items].filter(([other]) => other !== key);
    const size = [...others, [key, value]].flat().join('').length;
    if (size > this.room) throw new DOMException('full', 'QuotaExceededError');
    this.writes.push(key);
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

function participantOf(id: string, name: string | null): Participant {
  const numbers = { joinedSeq: 0, delivered: 0, read: 0 };
  const joinedAt = '2026-01-31T12:00:00.000Z';
  return { id, role: 'guest', name, userId: null, presence: 'away', state: 'idle', joinedAt, ...numbers };
}

function seatOf(participantId: string, participants: Participant[] = [participantOf(participantId, null)]): StoredSeat {
  const info: Session = {
    id: `session-of-${participantId}`,
    code: null,
    status: 'paired',
    capacity: 50,
    locked: false,
    approval: false,
    shareHistory: false,
    epoch: 4,
    lastSeq: 9,
    durableSeq: 8,
    durability: 'archived',
    createdAt: '2026-01-31T12:00:00.000Z',
    codeExpiresAt: null,
    metadata: {},
    participants,
  };
  return { sessionId: info.id, participantId, resumeToken: 'token', secret: null, info };
}

function messageOf(id: string, more: Partial<StoredMessage> = {}): StoredMessage {
  return { id, type: 'text', body: `body of ${id}`, writtenAt: 1_700_000_000_000, ...more };
}

const position: StoredPosition = { epoch: 4, lastSeq: 7, lastId: 'message-7', durableSeq: 6 };
const start: StoredPosition = { epoch: 4, lastSeq: 0, lastId: null, durableSeq: 0 };

let storage: FakeStorage;
let store: SeatStore;

/** What the next page finds. */
function reloaded(prefix = 'tandem'): ReturnType<SeatStore['load']> {
  return new SeatStore(storage, prefix).load();
}

function idsOf(state: ReturnType<SeatStore['load']>): string[] {
  return state?.messages.map(({ order, message }) => `${order} ${message.id}`) ?? [];
}

beforeEach(() => {
  storage = new FakeStorage();
  store = new SeatStore(storage, 'tandem');
});

describe('a seat', () => {
  it('is found by the next page, with its position and its messages in their order', () => {
    const seat = { ...seatOf('p1'), secret: 'k'.repeat(43) };
    const sealed = messageOf('message-b', { body: null, sealed: { e2e: 1, iv: 'x', data: 'y' }, seq: 3 });
    expect(store.saveSeat(seat)).toBe(true);
    expect(store.savePosition(position)).toBe(true);
    for (const order of [10, 9, 100]) expect(store.putMessage(order, messageOf(`message-${order}`))).toBe(true);
    expect(store.putMessage(11, sealed)).toBe(true);
    expect(reloaded()).toEqual({
      seat,
      position,
      messages: [
        { order: 9, message: messageOf('message-9') },
        { order: 10, message: messageOf('message-10') },
        { order: 11, message: sealed },
        { order: 100, message: messageOf('message-100') },
      ],
    });
  });

  it('is none in an empty storage, nor under another prefix', () => {
    expect(store.load()).toBeNull();
    store.saveSeat(seatOf('p1'));
    expect(reloaded('other')).toBeNull();
    expect(reloaded('tande')).toBeNull();
  });

  it('with 50 hostile names comes back as it was', () => {
    const names = [
      '__proto__',
      '<img src=x onerror=alert(1)>',
      '"\\\u0000\u2028',
      '\u{1f600}'.repeat(64),
      '\ud800',
      '',
      '.m.',
      null,
    ];
    const participants = Array.from({ length: 50 }, (_, index) => participantOf(`p${index}`, names[index % 8] ?? null));
    const seat = seatOf('p1', participants);
    seat.info.metadata = JSON.parse('{"__proto__":{"polluted":1},"constructor":[]}') as Session['metadata'];
    store.saveSeat(seat);
    expect(JSON.stringify(reloaded()?.seat)).toBe(JSON.stringify(seat));
    expect(reloaded()?.seat).toEqual(seat);
  });

  it('starts over without a position of its own', () => {
    store.saveSeat(seatOf('p1'));
    expect(reloaded()?.position).toEqual(start);
    store.savePosition(position);
    store.saveSeat(seatOf('p2'));
    expect(reloaded()?.position).toEqual(start);
  });

  it('never gets the messages that another tab writes for another seat', () => {
    store.saveSeat(seatOf('p1'));
    store.putMessage(1, messageOf('message-1'));
    const other = new SeatStore(storage, 'tandem');
    other.saveSeat(seatOf('p2'));
    other.putMessage(1, messageOf('message-2'));
    store.putMessage(2, messageOf('message-3'));
    expect(reloaded()?.seat.participantId).toBe('p2');
    expect(idsOf(reloaded())).toEqual(['1 message-2']);
  });
});

describe('a message', () => {
  beforeEach(() => {
    store.saveSeat(seatOf('p1'));
    storage.writes.length = 0;
  });

  it('costs one write, however many there are', () => {
    for (let order = 1; order <= 200; order++) store.putMessage(order, messageOf(`message-${order}`));
    expect(storage.writes).toHaveLength(200);
    expect(new Set(storage.writes).size).toBe(200);
    store.removeMessage(100, 'message-100');
    expect(storage.writes).toHaveLength(200);
    expect(reloaded()?.messages).toHaveLength(199);
  });

  it('is replaced when more is known about it', () => {
    store.putMessage(1, messageOf('message-1'));
    store.putMessage(1, messageOf('message-1', { seq: 5 }));
    expect(reloaded()?.messages).toEqual([{ order: 1, message: messageOf('message-1', { seq: 5 }) }]);
  });

  it('of one tab is safe from another that gives the same order', () => {
    const other = new SeatStore(storage, 'tandem');
    other.load();
    store.putMessage(1, messageOf('message-a', { writtenAt: 2 }));
    other.putMessage(1, messageOf('message-b', { writtenAt: 1 }));
    expect(idsOf(reloaded())).toEqual(['1 message-b', '1 message-a']);
    store.removeMessage(1, 'message-a');
    expect(idsOf(reloaded())).toEqual(['1 message-b']);
    const third = new SeatStore(storage, 'tandem');
    third.load();
    third.removeMessage(1, 'message-b');
    expect(idsOf(reloaded())).toEqual([]);
  });

  it('that is removed twice, or was never there, is gone', () => {
    store.removeMessage(7, 'message-7');
    store.putMessage(7, messageOf('message-7'));
    store.removeMessage(7, 'message-7');
    store.removeMessage(7, 'message-7');
    expect(reloaded()?.messages).toEqual([]);
  });

  it.each([
    ['1.message-1', 'no JSON'],
    ['1.message-1', 'null'],
    ['1.message-1', '[]'],
    ['1.message-1', JSON.stringify({ ...messageOf('message-1'), id: 7 })],
    ['1.message-1', JSON.stringify({ ...messageOf('message-1'), type: null })],
    ['1.message-1', JSON.stringify({ ...messageOf('message-1'), body: undefined })],
    ['1.message-1', JSON.stringify({ ...messageOf('message-1'), writtenAt: 'now' })],
    ['1.message-2', JSON.stringify(messageOf('message-1'))],
    ['01.message-1', JSON.stringify(messageOf('message-1'))],
    ['-1.message-1', JSON.stringify(messageOf('message-1'))],
    ['x.message-1', JSON.stringify(messageOf('message-1'))],
    ['1e300.message-1', JSON.stringify(messageOf('message-1'))],
    ['1.message-1.more', JSON.stringify(messageOf('message-1'))],
    ['message-1', JSON.stringify(messageOf('message-1'))],
  ])('that is malformed is skipped: %s %s', (key, value) => {
    storage.setItem(`tandem.m.p1.${key}`, value);
    store.putMessage(2, messageOf('message-ok'));
    expect(idsOf(reloaded())).toEqual(['2 message-ok']);
  });

  it.each([0, -1, 'many', 1.5])('with the seq %j counts as not acknowledged', (seq) => {
    storage.setItem('tandem.m.p1.1.message-1', JSON.stringify({ ...messageOf('message-1'), seq }));
    expect(reloaded()?.messages).toEqual([{ order: 1, message: messageOf('message-1') }]);
  });
});

describe('forget', () => {
  it('removes everything of the prefix and nothing else', () => {
    const others = ['tandem', 'tandem2.seat', 'other', 'tandem.m.seat', 'tandem.m.position'];
    for (const key of others) storage.setItem(key, 'x');
    store.saveSeat(seatOf('p1'));
    store.putMessage(1, messageOf('message-1'));
    store.saveSeat(seatOf('p2'));
    store.savePosition(position);
    for (let order = 1; order <= 30; order++) store.putMessage(order, messageOf(`message-${order}`));
    store.forget();
    expect([...storage.items.keys()].sort()).toEqual([...others].sort());
    expect(reloaded()).toBeNull();
  });

  it('leaves a store that takes the next seat', () => {
    store.saveSeat(seatOf('p1'));
    store.forget();
    store.saveSeat(seatOf('p1'));
    store.putMessage(1, messageOf('message-1'));
    expect(idsOf(reloaded())).toEqual(['1 message-1']);
  });
});

describe('a stored seat that is malformed', () => {
  const seat = seatOf('p1');
  it.each([
    'no JSON',
    'null',
    '7',
    '[]',
    JSON.stringify({ ...seat, sessionId: null }),
    JSON.stringify({ ...seat, participantId: 1 }),
    JSON.stringify({ ...seat, resumeToken: undefined }),
    JSON.stringify({ ...seat, secret: undefined }),
    JSON.stringify({ ...seat, secret: 5 }),
    JSON.stringify({ ...seat, sessionId: 'another session' }),
    JSON.stringify({ ...seat, info: { ...seat.info, participants: [null] } }),
  ])('is none: %.60s', (value) => {
    storage.setItem('tandem.seat', value);
    expect(reloaded()).toBeNull();
  });

  it.each([
    'no JSON',
    'null',
    JSON.stringify([position]),
    JSON.stringify({ ...position, lastId: undefined }),
    JSON.stringify({ ...position, epoch: -1 }),
    JSON.stringify({ ...position, lastSeq: '7' }),
    JSON.stringify({ ...position, lastId: 7 }),
    JSON.stringify({ ...position, durableSeq: null }),
  ])('does not lose it for its position: %s', (value) => {
    store.saveSeat(seat);
    storage.setItem('tandem.position.p1', value);
    expect(reloaded()).toEqual({ seat, position: start, messages: [] });
  });
});

describe('a storage', () => {
  it('that is full says so, and keeps what it has', () => {
    store.saveSeat(seatOf('p1'));
    store.putMessage(1, messageOf('message-1'));
    storage.room = 0;
    expect(store.putMessage(2, messageOf('message-2'))).toBe(false);
    expect(store.savePosition(position)).toBe(false);
    expect(store.saveSeat({ ...seatOf('p1'), resumeToken: 'new' })).toBe(false);
    expect(reloaded()?.seat).toEqual(seatOf('p1'));
    expect(idsOf(reloaded())).toEqual(['1 message-1']);
  });

  it('that is full does not bring back the seat before', () => {
    store.saveSeat(seatOf('p1'));
    storage.room = 0;
    expect(store.saveSeat(seatOf('p2'))).toBe(false);
    expect(reloaded()).toBeNull();
  });

  it('that throws on every call costs the reload and nothing else', () => {
    const forbidden = new Proxy({} as SeatStorage, {
      get: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });
    const forbiddenStore = new SeatStore(forbidden, 'tandem');
    expect(forbiddenStore.load()).toBeNull();
    expect(forbiddenStore.saveSeat(seatOf('p1'))).toBe(false);
    expect(forbiddenStore.savePosition(position)).toBe(false);
    expect(forbiddenStore.putMessage(1, messageOf('message-1'))).toBe(false);
    forbiddenStore.removeMessage(1, 'message-1');
    forbiddenStore.forget();
  });

  it('that cannot list its keys still gives the seat', () => {
    store.saveSeat(seatOf('p1'));
    store.savePosition(position);
    storage.key = () => {
      throw new DOMException('denied', 'SecurityError');
    };
    expect(reloaded()).toEqual({ seat: seatOf('p1'), position, messages: [] });
  });

  it.each([
    ['a number', 7],
    ['an object', {}],
    ['nothing', undefined],
    ['a list', ['{}']],
    ['a promise', Promise.resolve('null')],
  ])('that returns %s for everything holds no seat', (_what, garbage) => {
    const strange = {
      length: Number.POSITIVE_INFINITY,
      key: () => garbage,
      getItem: () => garbage,
      setItem: () => undefined,
      removeItem: () => undefined,
    } as unknown as SeatStorage;
    const strangeStore = new SeatStore(strange, 'tandem');
    expect(strangeStore.load()).toBeNull();
    strangeStore.saveSeat(seatOf('p1'));
    strangeStore.forget();
    const onlySeat = {
      ...strange,
      getItem: (key: string) => (key === 'tandem.seat' ? JSON.stringify(seatOf('p1')) : garbage),
    };
    const state = new SeatStore(onlySeat as unknown as SeatStorage, 'tandem').load();
    expect(state).toEqual({ seat: seatOf('p1'), position: start, messages: [] });
  });

  it('that is not wanted is never missed', () => {
    const none = new SeatStore(null, 'tandem');
    expect(none.load()).toBeNull();
    expect(none.saveSeat(seatOf('p1'))).toBe(true);
    expect(none.savePosition(position)).toBe(true);
    expect(none.putMessage(1, messageOf('message-1'))).toBe(true);
    none.removeMessage(1, 'message-1');
    none.forget();
    expect(none.load()).toBeNull();
  });
});
