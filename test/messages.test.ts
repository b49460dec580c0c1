import { describe, expect, it } from '@jest/globals';
import type { Client } from './support/client.ts';
import { limit } from './support/environment.ts';
import { resumeOf } from './support/seat.ts';
import { stageServer } from './support/stage.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function logOf(client: Client): Promise<{ id: string; seq: number }[]> {
  const { messages } = await client.do('message:history', { limit: 200 });
  return messages.map(({ id, seq }) => ({ id, seq }));
}

describe('a message', () => {
  const stage = stageServer();

  it('is numbered, stored before its ack, and given to all but the sender', async () => {
    const host = await stage.host({ capacity: 3 });
    const guests = [await stage.guest(host.session.code), await stage.guest(host.session.code)];
    const ack = await host.client.do('message:send', { id: 'message-1', body: { text: 'hello' } });
    expect(ack).toEqual({
      ok: true,
      id: 'message-1',
      seq: 1,
      sentAt: expect.stringMatching(TIME),
      epoch: host.session.epoch,
      durableSeq: 1,
      duplicate: false,
    });
    for (const { client } of guests) {
      expect(await client.next('message:new')).toEqual({
        id: 'message-1',
        seq: 1,
        sessionId: host.session.id,
        from: host.self.participantId,
        type: 'text',
        body: { text: 'hello' },
        sentAt: ack.sentAt,
      });
    }
    await host.client.barrier();
    expect(host.client.received('message:new')).toEqual([]);
    expect((await host.client.do('session:get', {})).session).toMatchObject({ lastSeq: 1, durableSeq: 1 });
  });

  it('is in one gap-free order that all see alike, however many send at once', async () => {
    const host = await stage.host({ capacity: 4 });
    const seats = [host];
    for (let n = 0; n < 3; n += 1) seats.push(await stage.guest(host.session.code));
    const acks = await Promise.all(
      seats.flatMap(({ client }, sender) =>
        Array.from({ length: 50 }, (_, n) =>
          client.do('message:send', { id: `from-${sender}-number-${n}`, body: { sender, n } }),
        ),
      ),
    );
    expect(acks.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));

    const log = await logOf(host.client);
    expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    for (const [sender, { client }] of seats.entries()) {
      await client.barrier();
      const others = log.filter(({ id }) => !id.startsWith(`from-${sender}-`));
      const received = client.received('message:new').map(({ id, seq }) => ({ id, seq }));
      expect(received).toEqual(others);
    }
    // What one connection sent stands in the order in which it was sent.
    const own = log.filter(({ id }) => id.startsWith('from-2-')).map(({ id }) => id);
    expect(own).toEqual(Array.from({ length: 50 }, (_, n) => `from-2-number-${n}`));
  });

  it('stays within its session', async () => {
    const one = await stage.pair();
    const other = await stage.pair();
    await one.host.client.do('message:send', { id: 'message-1', body: 'one' });
    expect(await other.host.client.do('message:send', { id: 'message-1', body: 'other' })).toMatchObject({ seq: 1 });
    await other.guest.client.barrier();
    expect(other.guest.client.received('message:new').map(({ body }) => body)).toEqual(['other']);
  });

  it('sent without a callback is stored and delivered all the same', async () => {
    const { host, guest } = await stage.pair();
    host.client.socket.emit('message:send', { id: 'no-callback', body: 1 });
    expect(await guest.client.next('message:new')).toMatchObject({ id: 'no-callback', seq: 1 });
  });

  it('sent without a callback and refused is told as command:failed', async () => {
    const { host } = await stage.pair();
    host.client.socket.emit('message:send', { id: 'short', body: 1 });
    const failed = await host.client.next('command:failed');
    expect(failed).toMatchObject({ command: 'message:send', error: { code: 'INVALID_PAYLOAD', retryable: false } });
    host.client.socket.emit('session:destroy', {});
    expect(await host.client.next('command:failed')).toMatchObject({
      command: 'session:destroy',
      error: { code: 'UNKNOWN_COMMAND' },
    });
  });

  it('of a host alone waits for the next to come only when history is shared', async () => {
    for (const shareHistory of [true, false]) {
      const host = await stage.host({ shareHistory });
      await host.client.do('message:send', { id: 'before-you-came', body: 1 });
      const guest = await stage.guest(host.session.code);
      expect(guest.session.lastSeq).toBe(1);
      expect(guest.session.participants.map(({ joinedSeq }) => joinedSeq)).toEqual([0, 1]);
      expect(await logOf(guest.client)).toEqual(shareHistory ? [{ id: 'before-you-came', seq: 1 }] : []);
    }
  });
});

describe('repeating a send', () => {
  const stage = stageServer();

  it('a hundred times at once stores and delivers it once', async () => {
    const { host, guest } = await stage.pair();
    const message = { id: 'one-of-hundred', body: { n: 1 } };
    const acks = await Promise.all(Array.from({ length: 100 }, () => host.client.do('message:send', message)));
    expect(new Set(acks.map(({ seq }) => seq))).toEqual(new Set([1]));
    expect(new Set(acks.map(({ sentAt }) => sentAt)).size).toBe(1);
    expect(acks.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    await guest.client.barrier();
    expect(guest.client.received('message:new')).toHaveLength(1);
    expect(await logOf(host.client)).toEqual([{ id: 'one-of-hundred', seq: 1 }]);
    expect(await host.client.do('message:send', { id: 'the-next-one', body: 1 })).toMatchObject({ seq: 2 });
  });

  it.each([
    ['another body', { body: { n: 2 } }],
    ['another type', { type: 'other' }],
    ['a body that only looks alike', { body: { n: '1' } }],
  ])('with %s is refused and changes nothing', async (_what, change) => {
    const { host, guest } = await stage.pair();
    const first = { id: 'used-before', body: { n: 1 }, type: 'text' };
    await host.client.do('message:send', first);
    expect(await host.client.refusal('message:send', { ...first, ...change })).toMatchObject({
      code: 'ID_REUSED',
      retryable: false,
    });
    await guest.client.barrier();
    expect(guest.client.received('message:new')).toHaveLength(1);
    expect(await host.client.do('message:send', first)).toMatchObject({ seq: 1, duplicate: true });
  });

  it('with the default type said or not is the same message', async () => {
    const { host } = await stage.pair();
    await host.client.do('message:send', { id: 'text-or-not', body: 1 });
    expect(await host.client.do('message:send', { id: 'text-or-not', body: 1, type: 'text' })).toMatchObject({
      duplicate: true,
    });
  });

  it('is known on another connection of the same participant, and unknown of another', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'same-id-twice', body: 1 });
    expect(await guest.client.do('message:send', { id: 'same-id-twice', body: 1 })).toMatchObject({
      seq: 2,
      duplicate: false,
    });
    await host.client.drop();
    const back = await stage.connect({ auth: resumeOf(host, { lastSeq: 2 }) });
    expect(await back.do('message:send', { id: 'same-id-twice', body: 1 })).toMatchObject({ seq: 1, duplicate: true });
  });

  it('is answered after the session has closed', async () => {
    const { host, guest } = await stage.pair();
    const first = await guest.client.do('message:send', { id: 'sent-in-time', body: 1 });
    await host.client.do('session:close', {});
    await guest.client.next('session:closed');
    const again = await guest.client.do('message:send', { id: 'sent-in-time', body: 1 });
    expect(again).toMatchObject({ seq: 1, sentAt: first.sentAt, duplicate: true });
    expect(await guest.client.refusal('message:send', { id: 'sent-in-time', body: 2 })).toMatchObject({
      code: 'ID_REUSED',
    });
  });
});

describe('repeating a send when the limits are exhausted', () => {
  const stage = stageServer({
    ...limit('messages_user', { points: 1 }),
    ...limit('messages_ip', { points: 1 }),
    ...limit('messages_connection', { points: 1, durationSeconds: 60 }),
  });

  it('is answered with the first seq, as often as it comes', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'the-only-one', body: 1 });
    expect(await host.client.refusal('message:send', { id: 'one-too-many', body: 1 })).toMatchObject({
      code: 'RATE_LIMITED',
    });
    for (let n = 0; n < 5; n += 1) {
      expect(await host.client.do('message:send', { id: 'the-only-one', body: 1 })).toMatchObject({
        seq: 1,
        duplicate: true,
      });
    }
    await guest.client.barrier();
    expect(guest.client.received('message:new')).toHaveLength(1);
  });
});
