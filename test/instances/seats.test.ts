import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Api } from '../support/api.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { resumeOf } from '../support/seat.ts';
import { codeOf } from '../support/stage.ts';

const stores = stageStores();
const stage = stageInstances(stores, { env: { JWT_SECRET: 'a secret that the instances have in common' } });
const CONTESTS = 150;

describe('the last seat', () => {
  it(`contested ${CONTESTS} times on two instances goes to exactly one`, async () => {
    const rivals = await Promise.all([stage.connect(1), stage.connect(2)]);
    const host = await stage.connect(0);
    const wins = [0, 0];
    for (let n = 0; n < CONTESTS; n += 1) {
      const { session } = await host.do('session:create', {});
      const answers = await Promise.all(rivals.map((rival) => rival.send('session:join', { code: codeOf(session) })));
      expect({ n, ok: answers.map(({ ok }) => ok).sort() }).toEqual({ n, ok: [false, true] });
      for (const [index, answer] of answers.entries()) {
        if (answer.ok) wins[index] = (wins[index] ?? 0) + 1;
        else expect(answer.error.code).toBe('SESSION_FULL');
      }
      await host.do('session:close', {});
    }
    expect(wins[0]).toBeGreaterThan(0);
    expect(wins[1]).toBeGreaterThan(0);
  }, 90_000);
});

describe('a seat', () => {
  it('resumed on another instance is replaced on the first, whose late end changes nothing', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('message:send', { id: 'before-the-move', body: 1 });
    await guest.client.next('message:new');
    const second = await stage.resume(2, guest);
    const resumed = await second.next('session:resumed');
    expect(resumed.messages.map(({ id }) => id)).toEqual(['before-the-move']);
    expect(await guest.client.next('connection:closing')).toEqual({ reason: 'replaced', reconnect: false });
    await guest.client.next('disconnect');
    // Two more turns of whatever its end set off, on the instance that it left.
    const witness = await stage.pair(1, 0);
    await witness.host.client.drop();
    await witness.guest.client.next('session:presence');
    await host.client.do('message:send', { id: 'after-the-move', body: 2 });
    expect(await second.next('message:new')).toMatchObject({ id: 'after-the-move' });
    await host.client.barrier();
    expect(host.client.received('session:presence')).toEqual([]);
    const { session } = await host.client.do('session:get', {});
    expect(session.participants.map(({ presence }) => presence)).toEqual(['online', 'online']);
  });

  it('resumed on every instance in turn is told once by each, and misses nothing', async () => {
    const { host, guest } = await stage.pair(0, 1);
    let connection = guest.client;
    for (let n = 1; n <= 9; n += 1) {
      await host.client.do('message:send', { id: `message-${n}`, body: n });
      const next = await stage.resume(n % 3, guest, { lastSeq: n - 1 });
      expect((await next.next('session:resumed')).messages.map(({ seq }) => seq)).toEqual([n]);
      expect(await connection.next('connection:closing')).toMatchObject({ reason: 'replaced' });
      connection = next;
    }
    await host.client.barrier();
    expect(host.client.received('session:presence')).toEqual([]);
  });

  it('of a closed session, resumed on another instance to read, is replaced on the first; the latest has it', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('session:close', {});
    await guest.client.next('session:closed');
    let connection = guest.client;
    for (const index of [2, 0, 1]) {
      const next = await stage.resume(index, guest);
      expect((await next.next('session:resumed')).session.status).toBe('closed');
      expect(await connection.next('connection:closing')).toEqual({ reason: 'replaced', reconnect: false });
      await connection.next('disconnect');
      connection = next;
    }
    await connection.barrier();
    expect(connection.received('connection:closing')).toEqual([]);
    expect((await connection.do('session:get', {})).self).toEqual({ ...guest.self, resumeToken: undefined });
    expect(await host.client.refusal('session:lock', { locked: true })).toMatchObject({ code: 'SESSION_CLOSED' });
  });

  it('that the host kicks on another instance ends there, and for good', async () => {
    const { host, guest } = await stage.pair(0, 1);
    const { participantId } = guest.self;
    await host.client.do('session:kick', { participantId });
    expect(await guest.client.next('connection:closing')).toEqual({ reason: 'kicked', reconnect: false });
    await guest.client.next('disconnect');
    expect(await host.client.next('session:left')).toMatchObject({ participantId, reason: 'kicked' });
    for (const index of [0, 1, 2]) {
      await expect(stage.connect(index, { auth: resumeOf(guest) })).rejects.toThrow('RESUME_REJECTED');
    }
    const stranger = await stage.connect(2);
    const { code } = guest.session;
    expect(code).toBeNull();
    expect(await stranger.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({
      code: 'SESSION_NOT_FOUND',
    });
  });

  it('that is left on one instance is free on another', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await guest.client.do('session:leave', {});
    const left = await host.client.next('session:left');
    expect(left).toMatchObject({ participantId: guest.self.participantId, reason: 'left' });
    const next = await stage.guest(2, left.session.code);
    expect(next.session.status).toBe('paired');
    await host.client.next('session:paired', ({ session }) => session.participants.length === 2);
  });

  it('of a host who leaves passes on to the guest of another instance', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('session:leave', {});
    const { session } = await guest.client.next('session:updated');
    expect(session.participants).toMatchObject([{ id: guest.self.participantId, role: 'host' }]);
    await guest.client.do('session:lock', { locked: true });
  });

  it('asked for twice with one key, on two instances, is the same', async () => {
    const host = await stage.host(0);
    const payload = { code: codeOf(host.session), key: 'a-key-of-the-joiner' };
    const [one, other] = await Promise.all([stage.connect(1), stage.connect(2)]);
    const first = await one.do('session:join', payload);
    const again = await other.do('session:join', payload);
    expect(again.self.participantId).toBe(first.self.participantId);
    expect(await one.next('connection:closing')).toMatchObject({ reason: 'replaced' });
    expect(again.session.participants).toHaveLength(2);
  });
});

describe('approval', () => {
  it('of a joiner on another instance is asked and answered', async () => {
    const host = await stage.host(0, { approval: true });
    const joiner = await stage.connect(1);
    const joining = joiner.do('session:join', { code: codeOf(host.session), name: 'Grace' });
    const { knockId, name } = await host.client.next('session:knock');
    expect(name).toBe('Grace');
    await host.client.do('session:admit', { knockId, admit: true });
    const { self, session } = await joining;
    expect(session.status).toBe('paired');
    await joiner.next('session:paired');
    await host.client.next('session:paired');
    await host.client.do('message:send', { id: 'you-are-let-in', body: 1 });
    expect(await joiner.next('message:new')).toMatchObject({ id: 'you-are-let-in' });
    expect(self.role).toBe('guest');
  });

  it('is none for who was kicked: another device that waits on a third instance hears so at once', async () => {
    const { accessToken } = await new Api(stage.urls[0] ?? '').register(`${randomUUID()}@example.com`);
    const host = await stage.host(0, { approval: true, capacity: 3 });
    const code = codeOf(host.session);
    const [first, second] = await Promise.all([1, 2].map((at) => stage.connect(at, { auth: { token: accessToken } })));
    if (first === undefined || second === undefined) throw new Error('expected two connections');
    const joining = first.do('session:join', { code });
    const { knockId } = await host.client.next('session:knock');
    await host.client.do('session:admit', { knockId, admit: true });
    const { participantId } = (await joining).self;
    const refused = second.refusal('session:join', { code, key: 'key-of-the-second-device' });
    const waiting = await host.client.next('session:knock');
    await host.client.do('session:kick', { participantId });
    expect(await refused).toMatchObject({ code: 'FORBIDDEN', retryable: false });
    expect(await host.client.refusal('session:admit', { knockId: waiting.knockId, admit: true })).toMatchObject({
      code: 'JOIN_DENIED',
    });
  });

  it('that is refused is told on the other instance', async () => {
    const host = await stage.host(0, { approval: true });
    const joiner = await stage.connect(2);
    const refused = joiner.refusal('session:join', { code: codeOf(host.session) });
    const { knockId } = await host.client.next('session:knock');
    await host.client.do('session:admit', { knockId, admit: false });
    expect(await refused).toMatchObject({ code: 'JOIN_DENIED' });
  });
});
