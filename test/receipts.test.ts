import { describe, expect, it } from '@jest/globals';
import type { Client } from './support/client.ts';
import { stageServer } from './support/stage.ts';

async function receiptOf(client: Client, participantId: string): Promise<{ delivered: number; read: number }> {
  const { session } = await client.do('session:get', {});
  const participant = session.participants.find(({ id }) => id === participantId);
  if (participant === undefined) throw new Error(`${participantId} is not in the session`);
  return { delivered: participant.delivered, read: participant.read };
}

describe('receipts', () => {
  const stage = stageServer();

  async function pairWithMessages(count: number) {
    const seats = await stage.pair();
    for (let n = 1; n <= count; n += 1) await seats.host.client.do('message:send', { id: `message-${n}`, body: n });
    return seats;
  }

  it('are told to the others and kept with the participant', async () => {
    const { host, guest } = await pairWithMessages(3);
    const { participantId } = guest.self;
    expect(await guest.client.do('message:receipt', { delivered: 2 })).toEqual({ ok: true });
    expect(await host.client.next('message:receipt')).toEqual({ participantId, delivered: 2, read: 0 });
    expect(await receiptOf(host.client, participantId)).toEqual({ delivered: 2, read: 0 });

    await guest.client.do('message:receipt', { read: 3 });
    expect(await host.client.next('message:receipt')).toEqual({ participantId, delivered: 3, read: 3 });
    await guest.client.barrier();
    expect(guest.client.received('message:receipt')).toEqual([]);
  });

  it('never go back', async () => {
    const { host, guest } = await pairWithMessages(3);
    await guest.client.do('message:receipt', { read: 2, delivered: 3 });
    await guest.client.do('message:receipt', { read: 1 });
    await guest.client.do('message:receipt', { delivered: 0, read: 0 });
    expect(await receiptOf(host.client, guest.self.participantId)).toEqual({ delivered: 3, read: 2 });
    for (const receipt of host.client.received('message:receipt')) {
      expect(receipt).toMatchObject({ delivered: 3, read: 2 });
    }
  });

  it.each([
    ['above the head', { delivered: 4 }],
    ['above the head, as read', { read: 4 }],
    ['below zero', { read: -1 }],
    ['with a fraction', { read: 1.5 }],
    ['in words', { read: '1' }],
    ['beyond exact numbers', { delivered: 2 ** 53 }],
    ['with an unknown field', { seen: 1 }],
  ])('%s are refused and change nothing', async (_what, payload) => {
    const { host, guest } = await pairWithMessages(3);
    expect(await guest.client.refusal('message:receipt', payload)).toMatchObject({ code: 'INVALID_PAYLOAD' });
    expect(await receiptOf(host.client, guest.self.participantId)).toEqual({ delivered: 0, read: 0 });
    await host.client.barrier();
    expect(host.client.received('message:receipt')).toEqual([]);
  });
});

describe('signals', () => {
  const stage = stageServer();

  it('go to all others that are online, and are never stored', async () => {
    const host = await stage.host({ capacity: 4 });
    const near = await stage.guest(host.session.code);
    const other = await stage.guest(host.session.code);
    const away = await stage.guest(host.session.code);
    await away.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');

    expect(await near.client.do('signal:send', { type: 'typing', body: { on: true } })).toEqual({
      ok: true,
      recipients: 2,
    });
    for (const { client } of [host, other]) {
      expect(await client.next('signal:new')).toEqual({
        from: near.self.participantId,
        type: 'typing',
        body: { on: true },
      });
    }
    await near.client.barrier();
    expect(near.client.received('signal:new')).toEqual([]);
    const { messages, lastSeq } = await host.client.do('message:history', {});
    expect({ messages, lastSeq }).toEqual({ messages: [], lastSeq: 0 });
  });

  it('with an addressee go to that one alone', async () => {
    const host = await stage.host({ capacity: 3 });
    const one = await stage.guest(host.session.code);
    const other = await stage.guest(host.session.code);
    const to = one.self.participantId;
    expect(await host.client.do('signal:send', { type: 'offer', body: 'sdp', to })).toMatchObject({ recipients: 1 });
    expect(await one.client.next('signal:new')).toMatchObject({ type: 'offer', body: 'sdp' });
    await other.client.barrier();
    expect(other.client.received('signal:new')).toEqual([]);

    await one.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    expect(await host.client.do('signal:send', { type: 'offer', body: 'sdp', to })).toMatchObject({ recipients: 0 });
  });

  it('reach nobody outside the session', async () => {
    const one = await stage.pair();
    const other = await stage.pair();
    const to = other.guest.self.participantId;
    const answer = await one.host.client.sendLoose('signal:send', { type: 'x', body: 1, to });
    if (answer.ok) expect(answer['recipients']).toBe(0);
    await other.guest.client.barrier();
    expect(other.guest.client.received('signal:new')).toEqual([]);
  });

  it('carry a buffer as it is, up to 16 KiB', async () => {
    const { host, guest } = await stage.pair();
    const body = Buffer.alloc(16_384, 'binary\u0000data');
    expect(await host.client.do('signal:send', { type: 'chunk', body })).toMatchObject({ recipients: 1 });
    const received = (await guest.client.next('signal:new')).body;
    expect(Buffer.isBuffer(received) && received.equals(body)).toBe(true);

    await host.client.do('signal:send', { type: 'chunk', body: Buffer.alloc(0) });
    expect(Buffer.from((await guest.client.next('signal:new')).body as Uint8Array)).toHaveLength(0);
  });

  it('keep the order in which one connection sent them', async () => {
    const { host, guest } = await stage.pair();
    await Promise.all(Array.from({ length: 40 }, (_, n) => host.client.do('signal:send', { type: 'n', body: n })));
    await guest.client.barrier();
    expect(guest.client.received('signal:new').map(({ body }) => body)).toEqual(
      Array.from({ length: 40 }, (_, n) => n),
    );
  });

  it.each([
    ['no type', { body: 1 }],
    ['no body', { type: 'x' }],
    ['a type in upper case', { type: 'X', body: 1 }],
    ['a buffer of 16 KiB and 1', { type: 'x', body: Buffer.alloc(16_385) }],
    ['a text of 16 KiB and 1', { type: 'x', body: 'x'.repeat(16_383) }],
    ['a buffer inside an object', { type: 'x', body: { data: Buffer.from('x') } }],
    ['two buffers', { type: 'x', body: [Buffer.from('x'), Buffer.from('y')] }],
    ['a buffer for a type', { type: Buffer.from('x'), body: 1 }],
    ['an addressee that is no text', { type: 'x', body: 1, to: 7 }],
    ['NUL in the body', { type: 'x', body: '\u0000' }],
    ['a sender', { type: 'x', body: 1, from: 'server' }],
  ])('with %s are refused', async (_what, payload) => {
    const { host, guest } = await stage.pair();
    expect(await host.client.refusal('signal:send', payload)).toMatchObject({ code: 'INVALID_PAYLOAD' });
    await guest.client.barrier();
    expect(guest.client.received('signal:new')).toEqual([]);
  });
});

describe('activity', () => {
  const stage = stageServer();

  it('is told to the others and kept with the participant', async () => {
    const { host, guest } = await stage.pair();
    const { participantId } = guest.self;
    for (const state of ['idle', 'active'] as const) {
      expect(await guest.client.do('activity:report', { state })).toEqual({ ok: true });
      expect(await host.client.next('session:activity')).toEqual({ participantId, state });
      const { session } = await host.client.do('session:get', {});
      expect(session.participants.find(({ id }) => id === participantId)?.state).toBe(state);
    }
    await guest.client.barrier();
    expect(guest.client.received('session:activity')).toEqual([]);
  });

  it('of an unknown kind is refused', async () => {
    const { client } = await stage.host();
    for (const payload of [{ state: 'busy' }, {}, { state: null }]) {
      expect(await client.refusal('activity:report', payload)).toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
  });
});

describe('the head of a session', () => {
  const stage = stageServer();

  it('is told to all within 10 s of a change, and not when nothing changed', async () => {
    const quiet = await stage.pair();
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'message-1', body: 1 });
    for (const { client } of [host, guest]) {
      const head = await client.next('session:head', ({ lastSeq }) => lastSeq === 1, 13_000);
      expect(head).toEqual({ epoch: host.session.epoch, lastSeq: 1, durableSeq: 1 });
    }
    await quiet.host.client.barrier();
    expect(quiet.host.client.received('session:head').filter(({ lastSeq }) => lastSeq > 0)).toEqual([]);
  });
});
