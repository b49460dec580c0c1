import { describe, expect, it } from '@jest/globals';
import { Api } from './support/api.ts';
import { resumeOf } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

describe('presence', () => {
  const stage = stageServer();

  it('turns away when a connection is lost and online when it is back', async () => {
    const { host, guest } = await stage.pair();
    const { participantId } = guest.self;
    await guest.client.drop();
    expect(await host.client.next('session:presence')).toEqual({ participantId, presence: 'away' });
    const { session } = await host.client.do('session:get', {});
    expect(session).toMatchObject({ status: 'paired', code: null });
    expect(session.participants.map(({ presence }) => presence)).toEqual(['online', 'away']);

    const client = await stage.connect({ auth: resumeOf(guest) });
    expect(await host.client.next('session:presence')).toEqual({ participantId, presence: 'online' });
    await client.barrier();
    expect(client.received('session:presence')).toEqual([]);
  });

  it('turns away also when the client says goodbye without leaving', async () => {
    const { host, guest } = await stage.pair();
    guest.client.close();
    expect(await host.client.next('session:presence')).toMatchObject({ presence: 'away' });
    const client = await stage.connect({ auth: resumeOf(guest) });
    await client.next('session:resumed');
  });
});

describe('PARTICIPANT_GRACE', () => {
  const stage = stageServer({ PARTICIPANT_GRACE: '1s' });

  it('over: who is away leaves with reason timeout, and its token is dead', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.drop();
    const left = await host.client.next('session:left');
    expect(left).toMatchObject({ participantId: guest.self.participantId, reason: 'timeout' });
    expect(left.session).toMatchObject({ status: 'waiting', code: host.session.code });
    expect((await stage.connectRefusal({ auth: resumeOf(guest) })).message).toBe('RESUME_REJECTED');
    const second = await stage.guest(host.session.code);
    expect(second.session.status).toBe('paired');
    await second.client.barrier();
    expect(host.client.received('session:left')).toHaveLength(1);
  });

  it('over for the host: the guest becomes host', async () => {
    const { host, guest } = await stage.pair();
    await host.client.drop();
    expect(await guest.client.next('session:left')).toMatchObject({ reason: 'timeout' });
    const { session } = await guest.client.next('session:updated');
    expect(session.participants).toMatchObject([{ id: guest.self.participantId, role: 'host' }]);
  });

  it('over for all: the session closes as empty', async () => {
    const { host, guest } = await stage.pair();
    await host.client.drop();
    await guest.client.next('session:left');
    await guest.client.drop();
    const witness = await stage.pair();
    await witness.guest.client.drop();
    // This grace began later than the one before and ran out: so did the one before.
    await witness.host.client.next('session:left');
    const late = await stage.connect();
    expect(await late.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({
      code: 'SESSION_CLOSED',
    });
    expect(await stage.connectRefusal({ auth: resumeOf(guest) })).toMatchObject({ message: 'RESUME_REJECTED' });
  });

  it('does not run while a twin holds the seat', async () => {
    const { host, guest } = await stage.pair();
    const twin = await stage.connect({ auth: resumeOf(guest) });
    await guest.client.next('disconnect');
    const witness = await stage.pair();
    await witness.guest.client.drop();
    await witness.host.client.next('session:left');
    await twin.barrier();
    await host.client.barrier();
    expect(host.client.received('session:left')).toEqual([]);
  });
});

describe('a session without activity', () => {
  const stage = stageServer({ SESSION_IDLE_WARNING: '1s', SESSION_IDLE_TIMEOUT: '3s' });

  it('is warned about once, then closed once', async () => {
    const { host, guest } = await stage.pair();
    for (const { client } of [host, guest]) {
      const { closesAt } = await client.next('session:idle');
      expect(closesAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Math.abs(Date.parse(closesAt) - Date.now() - 2000)).toBeLessThan(2000);
    }
    for (const { client } of [host, guest]) {
      expect(await client.next('session:closed')).toEqual({ sessionId: host.session.id, reason: 'idle' });
      await client.barrier();
      expect(client.received('session:idle')).toHaveLength(1);
      expect(client.received('session:closed')).toHaveLength(1);
    }
    const fresh = await host.client.do('session:create', {});
    expect(fresh.session.status).toBe('waiting');
  });

  it('goes on when somebody does something, and is warned about anew', async () => {
    const { host, guest } = await stage.pair();
    const first = await host.client.next('session:idle');
    await guest.client.do('activity:report', { state: 'active' });
    const second = await host.client.next('session:idle');
    expect(Date.parse(second.closesAt)).toBeGreaterThan(Date.parse(first.closesAt));
    expect(host.client.received('session:closed')).toEqual([]);
    await host.client.next('session:closed');
  });

  it('goes on when a token is refreshed', async () => {
    const { accessToken: token } = await new Api(stage.url).register('ann@example.com');
    const ann = await stage.connect({ auth: { token } });
    await ann.do('session:create', {});
    const first = await ann.next('session:idle');
    await ann.do('auth:refresh', { token });
    const second = await ann.next('session:idle');
    expect(Date.parse(second.closesAt)).toBeGreaterThan(Date.parse(first.closesAt));
  });

  it('is not kept open by reading, receipts and reports of idleness', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'the-last-activity', body: 1 });
    await guest.client.next('session:idle');
    await guest.client.do('session:get', {});
    await guest.client.do('message:history', {});
    await guest.client.do('message:receipt', { read: 1 });
    await guest.client.do('activity:report', { state: 'idle' });
    expect(await host.client.next('session:closed')).toMatchObject({ reason: 'idle' });
    // Activity would have put off the close, and a second warning would have come before it.
    expect(guest.client.received('session:idle')).toHaveLength(1);
  });
});

describe('CODE_TTL', () => {
  const stage = stageServer({ CODE_TTL: '1s', SESSION_IDLE_WARNING: '20m' });

  it('over: a session that nobody joined closes as expired', async () => {
    const { client, session } = await stage.host();
    expect(await client.next('session:closed')).toEqual({ sessionId: session.id, reason: 'expired' });
    const late = await stage.connect();
    expect(await late.refusal('session:join', { code: codeOf(session) })).toMatchObject({ code: 'SESSION_NOT_FOUND' });
  });

  it('over: a session that was joined goes on without a code, and can be reopened', async () => {
    const host = await stage.host({ capacity: 3 });
    const guest = await stage.guest(host.session.code);
    const witness = await stage.host();
    await witness.client.next('session:closed');
    const { session } = await host.client.do('session:get', {});
    expect(session).toMatchObject({ status: 'paired', code: null, codeExpiresAt: null });
    const late = await stage.connect();
    const expired = await late.refusal('session:join', { code: codeOf(host.session) });
    expect(expired).toMatchObject({ code: 'SESSION_NOT_FOUND' });
    // In the same words as one that never was.
    expect(await late.refusal('session:join', { code: 'ZZZZZZ' })).toEqual(expired);

    const reopened = await host.client.do('session:reopen', {});
    expect(codeOf(reopened.session)).not.toBe(host.session.code);
    expect((await guest.client.next('session:updated')).session.code).toBe(reopened.session.code);
    await late.do('session:join', { code: codeOf(reopened.session) });
  });
});

describe('SESSION_TTL', () => {
  const stage = stageServer({ SESSION_TTL: '2s', SESSION_IDLE_WARNING: '20m', SESSION_IDLE_TIMEOUT: '30m' });

  it('without activity over: the session closes as expired', async () => {
    const { host, guest } = await stage.pair();
    for (const { client } of [host, guest]) {
      expect(await client.next('session:closed')).toEqual({ sessionId: host.session.id, reason: 'expired' });
    }
  });
});
