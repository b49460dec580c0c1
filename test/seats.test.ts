import { describe, expect, it } from '@jest/globals';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

describe('leaving', () => {
  const stage = stageServer();

  it('is told to the others, and the connection may join again', async () => {
    const { host, guest } = await stage.pair();
    expect(await guest.client.do('session:leave', {})).toEqual({ ok: true });
    const left = await host.client.next('session:left');
    expect(left).toMatchObject({ participantId: guest.self.participantId, reason: 'left' });
    expect(left.session).toMatchObject({ status: 'waiting', participants: [{ id: host.self.participantId }] });

    expect(await guest.client.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
    const again = await guest.client.do('session:join', { code: codeOf(host.session) });
    expect(again.self.participantId).not.toBe(guest.self.participantId);
    expect(guest.client.received('session:left')).toEqual([]);
  });

  it('of one and coming of another is a new pairing, told to all', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.do('session:leave', {});
    const second = await stage.guest(host.session.code);
    await host.client.next('session:paired');
    await second.client.next('session:paired');
    expect(host.client.received('session:paired')).toHaveLength(2);
  });

  it('of the host makes the earliest guest host', async () => {
    const host = await stage.host({ capacity: 4 });
    const first = await stage.guest(host.session.code);
    const second = await stage.guest(host.session.code);
    expect(await first.client.refusal('session:lock', { locked: true })).toMatchObject({ code: 'FORBIDDEN' });

    await host.client.do('session:leave', {});
    for (const { client } of [first, second]) {
      const { session } = await client.next('session:updated');
      expect(session.participants.map(({ id, role }) => [id, role])).toEqual([
        [first.self.participantId, 'host'],
        [second.self.participantId, 'guest'],
      ]);
    }
    expect((await first.client.do('session:get', {})).self.role).toBe('host');
    await first.client.do('session:lock', { locked: true });
    expect(await second.client.refusal('session:lock', { locked: false })).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('of the last closes the session as empty', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('session:leave', {});
    await guest.client.do('session:leave', {});
    const late = await stage.connect();
    expect(await late.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({
      code: 'SESSION_CLOSED',
    });
  });

  it('ends the resume token', async () => {
    const { guest } = await stage.pair();
    await guest.client.do('session:leave', {});
    expect(await stage.connectRefusal({ auth: resumeOf(guest) })).toMatchObject({ message: 'RESUME_REJECTED' });
  });
});

describe('kicking', () => {
  const stage = stageServer();

  it('ends seat, connection and resume token of the one, and tells the others', async () => {
    const host = await stage.host({ capacity: 3 });
    const target = await stage.guest(host.session.code);
    const witness = await stage.guest(host.session.code);
    expect(await host.client.do('session:kick', { participantId: target.self.participantId })).toEqual({ ok: true });

    expect(await target.client.next('connection:closing')).toEqual({ reason: 'kicked', reconnect: false });
    expect(await target.client.next('disconnect')).toBe('io server disconnect');
    for (const { client } of [host, witness]) {
      const left = await client.next('session:left');
      expect(left).toMatchObject({ participantId: target.self.participantId, reason: 'kicked' });
      expect(left.session.participants).toHaveLength(2);
    }
    const { message, data } = await stage.connectRefusal({ auth: resumeOf(target) });
    expect(message).toBe('RESUME_REJECTED');
    expect(data).toMatchObject({ code: 'RESUME_REJECTED', retryable: false });
    await witness.client.barrier();
    expect(witness.client.received('session:presence')).toEqual([]);
  });

  it('works on one who is away', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    await host.client.do('session:kick', { participantId: guest.self.participantId });
    expect(await host.client.next('session:left')).toMatchObject({ reason: 'kicked' });
    expect((await stage.connectRefusal({ auth: resumeOf(guest) })).message).toBe('RESUME_REJECTED');
  });

  it.each([
    ['nobody of this session', () => '01890000-0000-7000-8000-000000000000'],
    ['something that is no id', () => 'x'],
    ['the host itself', (host: Seat) => host.self.participantId],
  ])('is refused for %s', async (_what, target) => {
    const { host } = await stage.pair();
    await host.client.refusal('session:kick', { participantId: target(host) });
    expect((await host.client.do('session:get', {})).session.participants).toHaveLength(2);
  });

  it('and all that is the host alone is forbidden to a guest', async () => {
    const { host, guest } = await stage.pair();
    const { participantId } = host.self;
    for (const [command, payload] of [
      ['session:kick', { participantId }],
      ['session:lock', { locked: true }],
      ['session:reopen', {}],
      ['session:close', {}],
    ] as const) {
      expect(await guest.client.refusal(command, payload)).toMatchObject({ code: 'FORBIDDEN', retryable: false });
    }
    await host.client.barrier();
    expect(host.client.received('session:updated')).toEqual([]);
    expect((await host.client.do('session:get', {})).session).toMatchObject({ locked: false, status: 'paired' });
  });
});

describe('closing', () => {
  const stage = stageServer();

  it('is told to all, and every connection may go on to another session', async () => {
    const { host, guest } = await stage.pair();
    expect(await host.client.do('session:close', {})).toEqual({ ok: true });
    for (const { client } of [host, guest]) {
      expect(await client.next('session:closed')).toEqual({ sessionId: host.session.id, reason: 'closed' });
    }
    const fresh = await host.client.do('session:create', {});
    expect(fresh.session.id).not.toBe(host.session.id);
    const joined = await guest.client.do('session:join', { code: codeOf(fresh.session) });
    expect(joined.session.id).toBe(fresh.session.id);
  });

  it('lets nobody change the session any more', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('session:close', {});
    expect(await guest.client.refusal('message:send', { id: 'after-the-close', body: 1 })).toMatchObject({
      code: 'SESSION_CLOSED',
      retryable: false,
    });
    expect(await host.client.refusal('session:lock', { locked: true })).toMatchObject({ code: 'SESSION_CLOSED' });
    expect(await host.client.refusal('session:reopen', {})).toMatchObject({ code: 'SESSION_CLOSED' });
  });
});

describe('a key', () => {
  const stage = stageServer();
  const key = () => `key-${crypto.randomUUID()}`;

  it('repeated with a create gives the same seat under a new token', async () => {
    const payload = { key: key(), name: 'Ada' };
    const lost = await stage.host(payload);
    await lost.client.drop();
    const found = await stage.host(payload);
    expect(found.session.id).toBe(lost.session.id);
    expect(found.session.code).toBe(lost.session.code);
    expect(found.session.participants).toHaveLength(1);
    expect(found.self).toMatchObject({ participantId: lost.self.participantId, role: 'host' });
    expect(found.self.resumeToken).not.toBe(lost.self.resumeToken);

    await found.client.drop();
    expect((await stage.connectRefusal({ auth: resumeOf(lost) })).message).toBe('RESUME_REJECTED');
    const resumed = await stage.connect({ auth: resumeOf(found) });
    expect((await resumed.next('session:resumed')).self.participantId).toBe(lost.self.participantId);
  });

  it('repeated with a join gives the same seat, although the session is full', async () => {
    const host = await stage.host();
    const code = codeOf(host.session);
    const payload = { key: key(), name: 'Bob' };
    const lost = await stage.guest(code, payload);
    await lost.client.drop();
    const found = await stage.guest(code, payload);
    expect(found.self).toMatchObject({ participantId: lost.self.participantId, role: 'guest' });
    expect(found.self.resumeToken).not.toBe(lost.self.resumeToken);
    expect(found.session.participants).toHaveLength(2);
    await host.client.barrier();
    expect(host.client.received('session:joined')).toHaveLength(1);

    const other = await stage.connect();
    expect(await other.refusal('session:join', { code, key: key() })).toMatchObject({ code: 'SESSION_FULL' });
  });

  it('repeated on the same connection gives the same seat', async () => {
    const client = await stage.connect();
    const payload = { key: key() };
    const first = await client.do('session:create', payload);
    const second = await client.do('session:create', payload);
    expect(second.session.id).toBe(first.session.id);
    expect(second.self.participantId).toBe(first.self.participantId);
    expect(await client.do('message:send', { id: 'still-here', body: 1 })).toMatchObject({ seq: 1 });
  });

  it('sent many times at once takes one seat', async () => {
    const host = await stage.host({ capacity: 50 });
    const payload = { code: codeOf(host.session), key: key() };
    const clients = await Promise.all(Array.from({ length: 10 }, () => stage.connect()));
    const answers = await Promise.all(clients.map((client) => client.do('session:join', payload).catch(() => null)));
    const seats = new Set(answers.flatMap((answer) => (answer === null ? [] : [answer.self.participantId])));
    expect(seats.size).toBe(1);
    expect((await host.client.do('session:get', {})).session.participants).toHaveLength(2);
  });

  it('that is another takes another seat', async () => {
    const first = await stage.host({ key: key() });
    const second = await stage.host({ key: key() });
    expect(second.session.id).not.toBe(first.session.id);
  });
});
