import { describe, expect, it } from '@jest/globals';
import type { WireError } from '../protocol/errors.ts';
import { Client } from './support/client.ts';
import { Clock } from './support/clock.ts';
import { resumeOf, type Seat } from './support/seat.ts';
import { startServer } from './support/server.ts';
import { codeOf, stageServer } from './support/stage.ts';

const NOBODY = '01900000-0000-7000-8000-000000000000';

const KEY = 'key-of-the-joiner';

const clock = new Clock();
const stage = stageServer({}, { now: clock.now });

async function hosting(payload: { capacity?: number; name?: string } = {}): Promise<Seat> {
  return await stage.host({ ...payload, approval: true });
}

async function knock(host: Seat, payload: { name?: string; key?: string } = {}, client?: Client) {
  const from = client ?? (await stage.connect());
  const answer = from.send('session:join', { code: codeOf(host.session), ...payload });
  // Nobody asks for the answer of one whose connection ends with the test.
  answer.catch(() => undefined);
  return { client: from, answer, knock: await host.client.next('session:knock') };
}

async function refusalOf(answer: Promise<{ ok: true } | { ok: false; error: WireError }>): Promise<WireError> {
  const outcome = await answer;
  if (outcome.ok) throw new Error('expected a refusal, received a seat');
  return outcome.error;
}

describe('a session with approval', () => {
  it('says so, and tells its host who knocks, with a masked address', async () => {
    const host = await hosting();
    expect(host.session).toMatchObject({ approval: true, status: 'waiting' });
    const { knock: told, client } = await knock(host, { name: 'Bob' });
    expect(told).toEqual({ knockId: expect.stringMatching(/^[0-9a-f-]{36}$/), name: 'Bob', ip: '127.0.0.x' });
    expect((await host.client.do('session:get', {})).session).toMatchObject({
      status: 'waiting',
      code: host.session.code,
    });
    expect(client.arrivals()).toEqual(['connect']);
  });

  it('seats whom the host admits, and tells everybody once', async () => {
    const host = await hosting({ name: 'Ada' });
    const bob = await knock(host, { name: 'Bob' });
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    // What was answered can be read.
    const { session } = await host.client.do('session:get', {});
    expect(session.participants.map(({ name, presence }) => [name, presence])).toEqual([
      ['Ada', 'online'],
      ['Bob', 'online'],
    ]);
    const answer = await bob.answer;
    if (!answer.ok) throw new Error(`refused: ${answer.error.code}`);
    expect(answer.session).toMatchObject({ id: host.session.id, status: 'paired' });
    expect(answer.self).toMatchObject({ role: 'guest', resumeToken: expect.any(String) });
    await bob.client.next('session:paired');
    await host.client.do('message:send', { id: 'message-1', body: 'welcome' });
    expect(await bob.client.next('message:new')).toMatchObject({ seq: 1, body: 'welcome' });
    await bob.client.do('message:send', { id: 'message-2', body: 'thanks' });
    await host.client.next('message:new');
    expect(host.client.arrivals()).toEqual([
      ...['connect', 'session:knock', 'session:joined', 'session:paired', 'message:new'],
    ]);
    expect(bob.client.arrivals()).toEqual(['connect', 'session:paired', 'message:new']);
  });

  it('gives a seat that resumes and leaves like any other', async () => {
    const host = await hosting();
    const bob = await knock(host);
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    const answer = await bob.answer;
    if (!answer.ok) throw new Error(`refused: ${answer.error.code}`);
    await bob.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    const { participantId } = answer.self;
    const back = await stage.connect({ auth: resumeOf(answer) });
    await back.next('session:resumed');
    await back.do('session:leave', {});
    expect(await host.client.next('session:left')).toMatchObject({ participantId, reason: 'left' });
  });

  it('refuses whom the host turns away', async () => {
    const host = await hosting();
    const bob = await knock(host, { key: KEY });
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: false });
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'JOIN_DENIED', retryable: false });
    const { knockId } = bob.knock;
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
    // A repetition of the same join gets the answer that it earned; another one is another knock.
    const again = { code: codeOf(host.session), key: KEY };
    expect(await bob.client.refusal('session:join', again)).toMatchObject({ code: 'JOIN_DENIED' });
    const second = await knock(host, { key: `${KEY}-2` }, bob.client);
    expect(second.knock.knockId).not.toBe(knockId);
  });

  it('refuses after 60 s without an answer', async () => {
    const host = await hosting();
    const bob = await knock(host);
    clock.advance(60_000);
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'JOIN_DENIED' });
    const { knockId } = bob.knock;
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
    expect((await host.client.do('session:get', {})).session.participants).toHaveLength(1);
  });

  it('gives the same answer to a host who repeats what it said', async () => {
    const host = await hosting();
    const bob = await knock(host);
    const { knockId } = bob.knock;
    await host.client.do('session:admit', { knockId, admit: true });
    await host.client.do('session:admit', { knockId, admit: true });
    expect(await host.client.refusal('session:admit', { knockId, admit: false })).toMatchObject({
      code: 'JOIN_DENIED',
    });
    await bob.answer;
    await host.client.barrier();
    expect(host.client.received('session:joined')).toHaveLength(1);
  });

  it('answers both that it is full when its last seat is gone', async () => {
    const host = await hosting();
    const [bob, cat] = [await knock(host), await knock(host)];
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    const late = { knockId: cat.knock.knockId, admit: true };
    expect(await host.client.refusal('session:admit', late)).toMatchObject({ code: 'SESSION_FULL' });
    expect(await refusalOf(cat.answer)).toMatchObject({ code: 'SESSION_FULL' });
    expect(await bob.answer).toMatchObject({ ok: true });
    expect(await cat.client.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({
      code: 'SESSION_FULL',
    });
  });

  it('admits nobody while it is locked, and those who wait may be admitted after', async () => {
    const host = await hosting();
    const bob = await knock(host);
    await host.client.do('session:lock', { locked: true });
    const admission = { knockId: bob.knock.knockId, admit: true };
    expect(await host.client.refusal('session:admit', admission)).toMatchObject({ code: 'SESSION_LOCKED' });
    const late = await stage.connect();
    expect(await late.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({
      code: 'SESSION_LOCKED',
    });
    await host.client.do('session:lock', { locked: false });
    await host.client.do('session:admit', admission);
    expect(await bob.answer).toMatchObject({ ok: true });
  });

  it('lets those wait on who knocked with a code that was replaced meanwhile', async () => {
    const host = await hosting();
    const bob = await knock(host);
    await host.client.do('session:reopen', {});
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    expect(await bob.answer).toMatchObject({ ok: true });
  });

  it('sends those who wait away at once when it closes', async () => {
    const host = await hosting();
    const bob = await knock(host);
    await host.client.do('session:close', {});
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'SESSION_CLOSED' });
  });

  it('has room for ten who wait', async () => {
    const host = await hosting({ capacity: 20 });
    const waiting = [];
    for (let count = 0; count < 10; count += 1) waiting.push(await knock(host));
    const late = await stage.connect();
    const code = codeOf(host.session);
    expect(await late.refusal('session:join', { code })).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await host.client.do('session:admit', { knockId: waiting[3]?.knock.knockId ?? '', admit: false });
    await knock(host, {}, late);
  });
});

describe('the host', () => {
  it('alone may answer, and only who waits', async () => {
    const host = await hosting({ capacity: 3 });
    const bob = await knock(host);
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    await bob.answer;
    const cat = await knock(host);
    const admission = { knockId: cat.knock.knockId, admit: true };
    expect(await bob.client.refusal('session:admit', admission)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await cat.client.refusal('session:admit', admission)).toMatchObject({ code: 'NOT_IN_SESSION' });
    const unknown = { knockId: NOBODY, admit: true };
    expect(await host.client.refusal('session:admit', unknown)).toMatchObject({ code: 'JOIN_DENIED' });
    const another = await hosting();
    expect(await another.client.refusal('session:admit', admission)).toMatchObject({ code: 'JOIN_DENIED' });
    expect(bob.client.received('session:knock')).toEqual([]);
  });

  it.each([
    ['no knock', { admit: true }],
    ['no answer', { knockId: NOBODY }],
    ['an answer that is no flag', { knockId: NOBODY, admit: 'yes' }],
    ['a knock that is no id', { knockId: 'bob', admit: true }],
    ['an unknown field', { knockId: NOBODY, admit: true, seat: 1 }],
  ])('is refused with %s', async (_what, payload) => {
    const host = await hosting();
    expect(await host.client.refusal('session:admit', payload)).toMatchObject({ code: 'INVALID_PAYLOAD' });
  });

  it('hears again of who waits when it comes back, after what it resumes', async () => {
    const host = await hosting();
    await host.client.drop();
    const bob = await stage.connect();
    const answer = bob.send('session:join', { code: codeOf(host.session), name: 'Bob' });
    // Answered while the join waits: other commands of the connection go on.
    expect(await bob.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
    const back = await stage.connect({ auth: resumeOf(host) });
    const { knockId } = await back.next('session:knock', ({ name }) => name === 'Bob');
    expect(back.arrivals().filter((event) => event.startsWith('session:'))).toEqual([
      'session:resumed',
      'session:knock',
    ]);
    await back.do('session:admit', { knockId, admit: true });
    expect(await answer).toMatchObject({ ok: true });
  });

  it('that comes after another hears of who waits', async () => {
    const host = await hosting({ capacity: 4 });
    const bob = await knock(host);
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    await bob.answer;
    const cat = await knock(host, { name: 'Cat' });
    await host.client.do('session:leave', {});
    expect(await bob.client.next('session:knock')).toEqual(cat.knock);
    await bob.client.do('session:admit', { knockId: cat.knock.knockId, admit: true });
    expect(await cat.answer).toMatchObject({ ok: true });
  });
});

describe('who waits for a host', () => {
  it('is no longer there once its connection is gone', async () => {
    const host = await hosting();
    const bob = await knock(host);
    await bob.client.drop();
    await expect(bob.answer).rejects.toThrow('disconnected');
    // The next knock is told after the withdrawal: both are changes of one session.
    const cat = await knock(host);
    const { knockId } = bob.knock;
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
    await host.client.do('session:admit', { knockId: cat.knock.knockId, admit: true });
    expect(await cat.answer).toMatchObject({ ok: true });
  });

  it('withdraws with session:leave, and may join elsewhere', async () => {
    const [host, other] = [await hosting(), await stage.host()];
    const bob = await knock(host);
    expect(await bob.client.do('session:leave', {})).toEqual({ ok: true });
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'JOIN_DENIED' });
    const { knockId } = bob.knock;
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
    expect(await bob.client.refusal('session:leave', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
    await bob.client.do('session:join', { code: codeOf(other.session) });
  });

  it('withdraws by asking for another seat', async () => {
    const host = await hosting();
    const bob = await knock(host);
    const { session } = await bob.client.do('session:create', {});
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'JOIN_DENIED' });
    expect((await bob.client.do('session:get', {})).session.id).toBe(session.id);
    const { knockId } = bob.knock;
    expect(await host.client.refusal('session:admit', { knockId, admit: true })).toMatchObject({ code: 'JOIN_DENIED' });
  });

  it('knocks once however often it repeats the join on its connection', async () => {
    const host = await hosting();
    const bob = await knock(host, { key: KEY });
    const again = bob.client.send('session:join', { code: codeOf(host.session), key: KEY });
    await bob.client.barrier();
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    const [first, second] = await Promise.all([bob.answer, again]);
    expect(first).toMatchObject({ ok: true });
    expect(second).toEqual(first);
    await host.client.barrier();
    expect(host.client.received('session:knock')).toHaveLength(1);
    expect(host.client.received('session:joined')).toHaveLength(1);
  });

  it('knocks once when it repeats the join on another connection, which gets the seat', async () => {
    const host = await hosting();
    const bob = await knock(host, { key: KEY });
    const back = await stage.connect();
    const answer = back.send('session:join', { code: codeOf(host.session), key: KEY });
    expect(await refusalOf(bob.answer)).toMatchObject({ code: 'JOIN_DENIED' });
    bob.client.close();
    await host.client.do('session:admit', { knockId: bob.knock.knockId, admit: true });
    const outcome = await answer;
    if (!outcome.ok) throw new Error(`refused: ${outcome.error.code}`);
    expect(outcome.self.participantId).toBe(bob.knock.knockId);
    expect(host.client.received('session:knock')).toHaveLength(1);
    expect((await back.do('session:get', {})).session.participants).toHaveLength(2);
    // The answer may be lost as well: the same join again is the same seat.
    const third = await stage.connect();
    const retaken = await third.do('session:join', { code: codeOf(host.session), key: KEY });
    expect(retaken.self.participantId).toBe(outcome.self.participantId);
  });

  it('is away when it went in the moment in which it was admitted, and its key has the seat', async () => {
    const host = await hosting();
    const bob = await knock(host, { key: KEY });
    const admitted = host.client.send('session:admit', { knockId: bob.knock.knockId, admit: true });
    bob.client.socket.io.engine.close();
    if (!(await admitted).ok) return;
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    const back = await stage.connect();
    const { self } = await back.do('session:join', { code: codeOf(host.session), key: KEY });
    expect(self.participantId).toBe(bob.knock.knockId);
    await host.client.next('session:presence', ({ presence }) => presence === 'online');
  });
});

describe('a server that stops', () => {
  it('sends who waits for a host to another instance, and waits for no host itself', async () => {
    const server = await startServer({ DRAIN_TIMEOUT: '60s' });
    const [host, joiner] = [new Client(server.url), new Client(server.url)];
    expect([await host.opened(), await joiner.opened()]).toEqual([null, null]);
    const { session } = await host.do('session:create', { approval: true });
    const answer = joiner.send('session:join', { code: codeOf(session), key: KEY });
    answer.catch(() => undefined);
    await host.next('session:knock');
    const startedAt = performance.now();
    const stopped = server.stop();
    // A drain spreads its closings over a quarter of its time; an answer would have been waited for longer.
    const closing = await joiner.next('connection:closing', undefined, 25_000);
    expect(closing).toMatchObject({ reason: 'draining', reconnect: true });
    await stopped;
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    await expect(answer).rejects.toThrow('disconnected');
    host.close();
  });
});

describe('a right code', () => {
  const guarded = stageServer({ RATE_LIMIT_JOIN_FAILURES_IP_POINTS: '2', RATE_LIMIT_JOIN_FAILURES_IP_DURATION: '60' });

  it('is no miss when the host turns the joiner away', async () => {
    const host = await guarded.host({ approval: true });
    const client = await guarded.connect();
    for (let count = 0; count < 4; count += 1) {
      const answer = client.send('session:join', { code: codeOf(host.session) });
      const { knockId } = await host.client.next('session:knock');
      await host.client.do('session:admit', { knockId, admit: false });
      expect(await refusalOf(answer)).toMatchObject({ code: 'JOIN_DENIED' });
    }
  });
});
