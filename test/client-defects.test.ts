import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemClient } from '../client/client.ts';
import { encodeHandover } from '../client/link.ts';
import type { TandemSession } from '../client/session.ts';
import type { TandemError } from '../protocol/errors.ts';
import type { Message, Session } from '../protocol/session.ts';
import { FakeNetwork } from './support/fake-socket.ts';
import type { FakeSocket } from './support/fake-socket.ts';
import { FakeStorage } from './support/fake-storage.ts';
import { VirtualTime } from './support/virtual-time.ts';

const ME = '00000000-0000-7000-8000-000000000001';
const ID = '00000000-0000-7000-8000-0000000000aa';
const AT = '2026-01-31T12:00:00.000Z';
const SECRET = 'A'.repeat(43);

function sessionOf(changes: Partial<Session> = {}): Session {
  return {
    id: ID,
    code: 'BCD234',
    status: 'paired',
    capacity: 2,
    locked: false,
    approval: false,
    shareHistory: false,
    epoch: 1,
    lastSeq: 0,
    durableSeq: 0,
    durability: 'redis_memory',
    createdAt: AT,
    codeExpiresAt: AT,
    metadata: {},
    participants: [
      {
        id: ME,
        role: 'host',
        name: null,
        userId: null,
        presence: 'online',
        state: 'active',
        joinedAt: AT,
        joinedSeq: 0,
        delivered: 0,
        read: 0,
      },
    ],
    ...changes,
  };
}

function messageOf(seq: number, changes: Partial<Message> = {}): Message {
  return { id: `message-${seq}`, seq, sessionId: ID, from: 'another', type: 'text', body: seq, sentAt: AT, ...changes };
}

function resumedOf(changes: object = {}): object {
  const self = { participantId: ME, role: 'host' };
  return { session: sessionOf(), self, messages: [], hasMore: false, gap: null, reset: false, ...changes };
}

let time: VirtualTime;
let network: FakeNetwork;
let storage: FakeStorage;
let clients: TandemClient[];

beforeEach(() => {
  time = new VirtualTime();
  network = new FakeNetwork();
  storage = new FakeStorage();
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
});

function newClient(): TandemClient {
  const parts = { clock: time, random: () => 0.5, openSocket: network.open };
  const client = new TandemClient({ url: 'http://there', storage }, parts);
  clients.push(client);
  return client;
}

/** The next connection, with its handshake done. */
async function opened(): Promise<FakeSocket> {
  await time.pass(1);
  network.newest.tell.opened();
  await time.pass(1);
  return network.newest;
}

/** What was asked last with this command. */
function asked(socket: FakeSocket, command: string): FakeSocket['requests'][number] {
  const found = [...socket.requests].reverse().find((request) => request.command === command);
  if (found === undefined) throw new Error(`expected ${command}`);
  return found;
}

function asks(socket: FakeSocket, command: string): number {
  return socket.requests.filter((request) => request.command === command).length;
}

const seated = { ok: true, session: sessionOf(), self: { participantId: ME, role: 'host', resumeToken: 'token' } };

async function created(client: TandemClient, metadata = {}): Promise<[TandemSession, FakeSocket]> {
  const asking = client.create();
  const socket = await opened();
  asked(socket, 'session:create').answer({ ...seated, session: sessionOf({ metadata }) });
  return [await asking, socket];
}

function outcomeOf(promise: Promise<unknown>): { is: unknown } {
  const outcome = { is: 'pending' as unknown };
  promise.then(
    (value) => (outcome.is = value),
    (error: unknown) => (outcome.is = (error as TandemError).code),
  );
  return outcome;
}

function storedIn(kind: string): unknown[] {
  const keys = [...storage.items.keys()].filter((key) => key.startsWith(`tandem.${kind}`));
  return keys.map((key) => JSON.parse(storage.items.get(key) ?? 'null') as unknown);
}

describe('a client that was closed', () => {
  it.each(['restore', 'resumeHere'] as const)('goes on with its seat by %s', async (way) => {
    const client = newClient();
    const [session] = await created(client);
    client.close();
    if (way === 'restore') expect(client.restore()).toBe(session);
    else session.resumeHere();
    const socket = await opened();
    expect(socket.auth().resume).toMatchObject({ sessionId: ID, participantId: ME });
    socket.tell.event('session:resumed', resumedOf());
    void session.send('text', 'again');
    await time.pass(1);
    expect(asks(socket, 'message:send')).toBe(1);
  });

  it.each(['before the connection', 'before the answer', 'between two attempts'])(
    'ends what it was opening, %s',
    async (when) => {
      const client = newClient();
      const outcome = outcomeOf(client.create());
      if (when !== 'before the connection') {
        const socket = await opened();
        const error = { code: 'UNAVAILABLE', message: 'not now', retryable: true, retryAfterMs: 60_000 };
        if (when === 'between two attempts') asked(socket, 'session:create').answer({ ok: false, error });
      }
      await time.pass(1);
      expect(outcome.is).toBe('pending');
      client.close();
      await time.pass(1);
      expect(outcome.is).toBe('UNAVAILABLE');
      const count = network.sockets.length;
      await time.pass(600_000);
      expect([network.sockets.length, client.connection.kind]).toEqual([count, 'closed']);
    },
  );

  it('ends a take-over', async () => {
    const client = newClient();
    const seat = { sessionId: ID, participantId: ME, resumeToken: 'token', secret: null };
    const outcome = outcomeOf(client.takeOver(encodeHandover(seat)));
    await opened();
    client.close();
    await time.pass(1);
    expect(outcome.is).toBe('UNAVAILABLE');
    expect(client.restore()).toBeNull();
  });
});

describe('an opening', () => {
  it('ends when the server ends its connection for good', async () => {
    const outcome = outcomeOf(newClient().create());
    const socket = await opened();
    socket.tell.event('connection:closing', { reason: 'revoked', reconnect: false });
    socket.tell.closed();
    await time.pass(60_000);
    expect(outcome.is).toBe('UNAVAILABLE');
  });

  it('waits for a host who takes a minute to decide, on one connection and with one knock', async () => {
    const outcome = outcomeOf(newClient().join('BCD-234'));
    const socket = await opened();
    await time.pass(59_000);
    expect([asks(socket, 'session:join'), network.sockets.length, outcome.is]).toEqual([1, 1, 'pending']);
    asked(socket, 'session:join').answer(seated);
    await time.pass(1);
    expect(outcome.is).toMatchObject({ id: ID });
  });

  it('that was given up while a host decides is withdrawn, and the next one goes ahead on the same connection', async () => {
    const client = newClient();
    const giveUp = new AbortController();
    const first = outcomeOf(client.join('BCD-234', { signal: giveUp.signal }));
    const socket = await opened();
    await time.pass(3_000);
    expect(asks(socket, 'session:leave')).toBe(0);
    giveUp.abort(new Error('enough'));
    await time.pass(1);
    expect(first.is).toBeUndefined();
    const second = outcomeOf(client.create());
    const error = { code: 'JOIN_DENIED', message: 'withdrawn', retryable: false };
    asked(socket, 'session:join').answer({ ok: false, error });
    await time.pass(1);
    expect([asks(socket, 'session:leave'), asks(socket, 'session:create')]).toEqual([1, 0]);
    asked(socket, 'session:leave').answer({ ok: true });
    await time.pass(1);
    asked(socket, 'session:create').answer(seated);
    await time.pass(1);
    expect(second.is).toMatchObject({ id: ID });
    expect([socket.isClosed, network.sockets.length, asks(socket, 'session:leave')]).toEqual([false, 1, 1]);
  });

  it('that was given up on a connection which answers nothing is forgotten with it', async () => {
    const client = newClient();
    const giveUp = new AbortController();
    outcomeOf(client.join('BCD-234', { signal: giveUp.signal }));
    const socket = await opened();
    giveUp.abort(new Error('enough'));
    await time.pass(1);
    const second = outcomeOf(client.create());
    await time.pass(7_001);
    expect(socket.isClosed).toBe(true);
    await time.pass(1_000);
    asked(await opened(), 'session:create').answer(seated);
    await time.pass(1);
    expect(second.is).toMatchObject({ id: ID });
  });

  it('with more than a packet takes is refused, and ends no connection', async () => {
    const outcome = outcomeOf(newClient().create({ metadata: { note: 'x'.repeat(70_000) } }));
    const socket = await opened();
    expect([outcome.is, socket.requests]).toEqual(['INVALID_PAYLOAD', []]);
  });

  it('that was given up leaves the next one a connection of its own when its seat may have been taken', async () => {
    const client = newClient();
    const giveUp = new AbortController();
    const first = outcomeOf(client.create({ signal: giveUp.signal }));
    const socket = await opened();
    await time.pass(7_001);
    giveUp.abort(new Error('enough'));
    await time.pass(1);
    expect(first.is).toBeUndefined();
    const second = outcomeOf(client.create());
    await time.pass(1_000);
    expect(socket.isClosed).toBe(true);
    asked(await opened(), 'session:create').answer(seated);
    await time.pass(1);
    expect(second.is).toMatchObject({ id: ID });
  });

  it('that was given up does not stand in the way of the seat in storage', async () => {
    const before = newClient();
    await created(before);
    before.close();
    const client = newClient();
    const giveUp = new AbortController();
    outcomeOf(client.join('BCD-234', { signal: giveUp.signal }));
    const unseated = await opened();
    giveUp.abort();
    await time.pass(1);
    expect(client.restore()).not.toBeNull();
    const socket = await opened();
    expect(socket).not.toBe(unseated);
    expect(socket.auth().resume).toMatchObject({ participantId: ME });
    await time.pass(1_000);
    expect(socket.isClosed).toBe(false);
  });
});

describe('leaving', () => {
  it('during a handshake does not take the seat again', async () => {
    const client = newClient();
    const [session, first] = await created(client);
    first.tell.closed();
    await time.pass(1_000);
    const second = network.newest;
    expect(second).not.toBe(first);
    expect(await session.leave()).toEqual({ isConfirmed: false });
    expect([second.isClosed, client.connection.kind]).toEqual([true, 'closed']);
  });

  it('without an answer does not cost the next session its connection', async () => {
    const client = newClient();
    const [session, socket] = await created(client);
    const left = session.leave();
    const asking = client.create();
    await time.pass(1);
    asked(socket, 'session:create').answer(seated);
    const next = await asking;
    await time.pass(8_000);
    expect(await left).toEqual({ isConfirmed: false });
    const again = await opened();
    expect(again).not.toBe(socket);
    expect(again.auth().resume).toMatchObject({ sessionId: next.id });
  });

  it('is not undone in storage by the late answer to an earlier command', async () => {
    const [session, socket] = await created(newClient());
    const locked = session.lock(true);
    const left = session.leave();
    asked(socket, 'session:lock').answer({ ok: true, session: sessionOf({ locked: true }) });
    await locked;
    asked(socket, 'session:leave').answer({ ok: true });
    expect(await left).toEqual({ isConfirmed: true });
    await time.pass(5_000);
    expect([...storage.items.keys()]).toEqual([]);
  });

  it('in the middle of messages ends them, and leaves nothing in storage', async () => {
    const [session, socket] = await created(newClient());
    for (const seq of [1, 2, 3]) socket.tell.event('message:new', messageOf(seq));
    const heard: number[] = [];
    session.on('message', ({ seq }) => {
      heard.push(seq);
      void session.leave();
    });
    await time.pass(1);
    expect([heard, [...storage.items.keys()]]).toEqual([[1], []]);
  });

  it('of a seat that another tab took over leaves that tab its storage', async () => {
    const [mine, socket] = await created(newClient());
    const other = newClient().restore();
    const there = await opened();
    there.tell.event('session:resumed', resumedOf());
    socket.tell.event('connection:closing', { reason: 'replaced', reconnect: false });
    socket.tell.closed();
    void other?.send('text', 'kept');
    expect(await mine.leave()).toEqual({ isConfirmed: false });
    expect([storedIn('seat').length, storedIn('m.').length]).toEqual([1, 1]);
    expect(asks(there, 'session:leave') + asks(socket, 'session:leave')).toBe(0);
  });
});

describe('a seat', () => {
  it('that the server ends with a word that is not known is told as ended, and can be asked for again', async () => {
    const client = newClient();
    const [session, socket] = await created(client);
    socket.tell.event('connection:closing', { reason: 'superseded', reconnect: false });
    socket.tell.closed();
    expect(session.ended).toMatchObject({ canResume: true });
    session.resumeHere();
    expect((await opened()).auth().resume).toMatchObject({ sessionId: ID });
  });

  it('is asked for again when what came back cannot be read', async () => {
    const client = newClient();
    await created(client);
    client.close();
    client.restore();
    const socket = await opened();
    socket.tell.event('session:resumed', { nothing: 'of use' });
    await time.pass(12_000);
    expect(socket.isClosed).toBe(true);
    expect(network.newest).not.toBe(socket);
  });
});

describe('messages that the store lost', () => {
  it('are sent again, also when the page is loaded again before the history was read', async () => {
    const first = newClient();
    const [session, socket] = await created(first);
    session.on('message', () => undefined);
    const sent = session.send('text', 'precious', { id: 'precious-1' });
    const answer = { ok: true, id: 'precious-1', seq: 1, sentAt: AT, epoch: 1, durableSeq: 0, duplicate: false };
    asked(socket, 'message:send').answer(answer);
    await sent;
    socket.tell.closed();
    await time.pass(1_000);
    const lost = sessionOf({ epoch: 2, lastSeq: 9 });
    const reset = resumedOf({ session: lost, messages: [messageOf(1)], hasMore: true, reset: true });
    (await opened()).tell.event('session:resumed', reset);
    await time.pass(1);
    first.close();

    newClient().restore();
    const again = await opened();
    const now = sessionOf({ epoch: 2, lastSeq: 9, durableSeq: 9 });
    const rest = Array.from({ length: 9 }, (_, index) => messageOf(index + 1));
    again.tell.event('session:resumed', resumedOf({ session: now, messages: rest }));
    await time.pass(1);
    expect(asked(again, 'message:send').payload).toMatchObject({ id: 'precious-1', body: 'precious' });
  });
});

describe('an encrypted session', () => {
  async function encrypted(): Promise<[TandemSession, FakeSocket]> {
    const asking = newClient().create({ encrypt: true });
    // Making a key takes real time.
    while (network.sockets.length === 0) await time.pass(1);
    const socket = await opened();
    const { metadata } = asked(socket, 'session:create').payload as { metadata: Session['metadata'] };
    asked(socket, 'session:create').answer({ ...seated, session: sessionOf({ metadata }) });
    return [await asking, socket];
  }

  it('forgets a message that is discarded while it is encrypted', async () => {
    const [session] = await encrypted();
    outcomeOf(session.send('text', 'never', { id: 'discarded-1' }));
    session.discard('discarded-1');
    const next = session.send('text', 'next', { id: 'following-1' });
    outcomeOf(next);
    while (asksFor('following-1') === 0) await time.pass(1);
    expect(storedIn('m.').map((message) => (message as { id: string }).id)).toEqual(['following-1']);
  });

  function asksFor(id: string): number {
    return network.newest.requests.filter(({ payload }) => (payload as { id?: string }).id === id).length;
  }

  it('fails a message whose ciphertext is more than a packet takes, and goes on', async () => {
    const [session] = await encrypted();
    const large = outcomeOf(session.send('text', 'x'.repeat(49_000), { id: 'too-large-1' }));
    outcomeOf(session.send('text', 'next', { id: 'following-1' }));
    while (asksFor('following-1') === 0) await time.pass(1);
    expect([large.is, asksFor('too-large-1')]).toEqual(['INVALID_PAYLOAD', 0]);
  });

  it('with a key that was damaged in storage tells of each message that cannot be read', async () => {
    const first = newClient();
    const [session] = await created(first);
    session.markRead();
    first.close();
    const seat = storedIn('seat')[0] as object;
    storage.items.set('tandem.seat', JSON.stringify({ ...seat, secret: SECRET.slice(1) }));
    const restored = newClient().restore();
    const told: unknown[] = [];
    restored?.on('message', () => told.push('message'));
    restored?.on('undecipherable', ({ message, reason }) => told.push(message.seq, reason));
    const socket = await opened();
    socket.tell.event('session:resumed', resumedOf({ session: sessionOf({ lastSeq: 1 }), messages: [messageOf(1)] }));
    await time.pass(1);
    expect(told).toEqual([1, 'wrong_key']);
  });
});
