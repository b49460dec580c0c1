import { describe, expect, it } from '@jest/globals';
import type { Client } from './support/client.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { stageServer } from './support/stage.ts';

async function say(client: Client, from: number, to: number, body: unknown = null): Promise<void> {
  await Promise.all(
    Array.from({ length: to - from + 1 }, (_, n) =>
      client.sendLoose('message:send', { id: `message-${from + n}`, body: body ?? from + n }),
    ),
  );
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

describe('resume', () => {
  const stage = stageServer();

  async function resume(seat: Seat, position: Parameters<typeof resumeOf>[1]) {
    const client = await stage.connect({ auth: resumeOf(seat, position) });
    return { client, resumed: await client.next('session:resumed') };
  }

  it('gives what was missed, once and in order, own messages too', async () => {
    const { host, guest } = await stage.pair();
    await say(host.client, 1, 2);
    await guest.client.do('message:send', { id: 'message-3', body: 3 });
    await guest.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    await say(host.client, 4, 6);

    const { client, resumed } = await resume(guest, { lastSeq: 2, lastId: 'message-2' });
    expect(resumed).toMatchObject({ hasMore: false, gap: null, reset: false });
    expect(resumed.messages.map(({ seq, id, body }) => ({ seq, id, body }))).toEqual(
      range(3, 6).map((seq) => ({ seq, id: `message-${seq}`, body: seq })),
    );
    expect(resumed.self).toEqual({ participantId: guest.self.participantId, role: 'guest' });
    expect(resumed.session).toMatchObject({ id: guest.session.id, status: 'paired', lastSeq: 6, durableSeq: 6 });
    expect(resumed.session.participants.map(({ presence }) => presence)).toEqual(['online', 'online']);
    expect(client.arrivals().slice(0, 2)).toEqual(['connect', 'session:resumed']);

    expect(await host.client.next('session:presence')).toEqual({
      participantId: guest.self.participantId,
      presence: 'online',
    });
    await host.client.do('message:send', { id: 'message-7', body: 7 });
    expect(await client.next('message:new')).toMatchObject({ seq: 7 });
    expect(await client.do('message:send', { id: 'message-8', body: 8 })).toMatchObject({ seq: 8 });
  });

  it('with nothing missed gives nothing', async () => {
    const { host, guest } = await stage.pair();
    await say(host.client, 1, 2);
    const { resumed } = await resume(guest, { lastSeq: 2, lastId: 'message-2', durableSeq: 2 });
    expect(resumed).toMatchObject({ messages: [], hasMore: false, gap: null, reset: false });
  });

  it('in the middle of a flood misses nothing and doubles nothing that the seq does not settle', async () => {
    const { host, guest } = await stage.pair();
    let client = guest.client;
    const received = new Map<number, string>();
    const flood = say(host.client, 1, 400);
    for (let n = 0; n < 8; n += 1) {
      let lastSeq = 0;
      while (received.has(lastSeq + 1)) lastSeq += 1;
      client = (await resume(guest, { lastSeq })).client;
      await client.barrier();
      for (const { seq, id } of client.messages()) received.set(seq, id);
    }
    await flood;
    await client.barrier();
    for (const { seq, id } of client.messages()) received.set(seq, id);
    const { messages } = await client.do('message:history', { limit: 200, afterSeq: 0 });
    const rest = await client.do('message:history', { limit: 200, afterSeq: 200 });
    const log = [...messages, ...rest.messages].map(({ seq, id }): [number, string] => [seq, id]);
    expect([...received].sort(([a], [b]) => a - b)).toEqual(log);
    expect(log).toHaveLength(400);
  });

  it('tells of more than 500 missed messages, which then can be paged', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.drop();
    await say(host.client, 1, 510);
    const { client, resumed } = await resume(guest, {});
    expect(resumed.messages.map(({ seq }) => seq)).toEqual(range(1, 500));
    expect(resumed).toMatchObject({ hasMore: true, gap: null, reset: false });
    const rest = await client.do('message:history', { afterSeq: 500 });
    expect(rest.messages.map(({ seq }) => seq)).toEqual(range(501, 510));
  });

  it('holds at most 256 KiB of missed messages', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.drop();
    await say(host.client, 1, 30, 'x'.repeat(16_000));
    const { resumed } = await resume(guest, {});
    expect(Buffer.byteLength(JSON.stringify(resumed.messages))).toBeLessThanOrEqual(256 * 1024);
    expect(resumed.messages.length).toBeGreaterThanOrEqual(14);
    expect(resumed.messages.map(({ seq }) => seq)).toEqual(range(1, resumed.messages.length));
    expect(resumed.hasMore).toBe(true);
  });

  it('begins where the participant came, whatever it claims to have seen', async () => {
    const host = await stage.host();
    await say(host.client, 1, 4);
    const guest = await stage.guest(host.session.code);
    await say(host.client, 5, 6);
    const { resumed } = await resume(guest, { lastSeq: 0 });
    expect(resumed.messages.map(({ seq }) => seq)).toEqual([5, 6]);
    expect(resumed.gap).toBeNull();
  });

  it('is possible again and again with the same token', async () => {
    const { host, guest } = await stage.pair();
    for (let n = 1; n <= 5; n += 1) {
      await host.client.do('message:send', { id: `message-${n}`, body: n });
      const { client, resumed } = await resume(guest, { lastSeq: n - 1 });
      expect(resumed.messages.map(({ seq }) => seq)).toEqual([n]);
      await client.drop();
    }
  });

  it('of the host gives back what a host may do', async () => {
    const { host } = await stage.pair();
    await host.client.drop();
    const { client, resumed } = await resume(host, {});
    expect(resumed.self.role).toBe('host');
    expect((await client.do('session:lock', { locked: true })).session.locked).toBe(true);
  });

  it.each([
    ['lastId is another', { lastSeq: 3, lastId: 'not-message-3' }],
    ['lastSeq is above the head', { lastSeq: 6 }],
    ['lastSeq is the largest exact number', { lastSeq: Number.MAX_SAFE_INTEGER }],
    ['the epoch is a later one', { lastSeq: 3, lastId: 'message-3', epoch: 99 }],
    ['the epoch is an earlier one', { lastSeq: 3, lastId: 'message-3', epoch: 0 }],
  ])('is accepted with a reset when %s', async (_what, position) => {
    const { host, guest } = await stage.pair();
    await say(host.client, 1, 5);
    const { resumed } = await resume(guest, position);
    expect(resumed).toMatchObject({ reset: true, gap: null });
    expect(resumed.messages.map(({ seq }) => seq)).toEqual(range(1, 5));
  });

  it.each([
    ['after durableSeq', { durableSeq: 2 }, 3],
    ['after lastSeq when that is lower', { durableSeq: 5, lastSeq: 3 }, 4],
    ['at the beginning without durableSeq', {}, 1],
  ])('starts a reset %s', async (_what, position, from) => {
    const { host, guest } = await stage.pair();
    await say(host.client, 1, 5);
    const { resumed } = await resume(guest, { lastSeq: 4, lastId: 'another-id', ...position });
    expect(resumed.reset).toBe(true);
    expect(resumed.messages.map(({ seq }) => seq)).toEqual(range(from, 5));
  });

  it('believes a lastId that is right', async () => {
    const { host, guest } = await stage.pair();
    await say(host.client, 1, 5);
    const { resumed } = await resume(guest, { lastSeq: 3, lastId: 'message-3', durableSeq: 1 });
    expect(resumed.reset).toBe(false);
    expect(resumed.messages.map(({ seq }) => seq)).toEqual([4, 5]);
  });
});

describe('resume of messages that are no longer at hand', () => {
  const stage = stageServer({ HISTORY_HOT_MESSAGES: '10' });

  it('has no gap: the rest comes from the archive', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.drop();
    await say(host.client, 1, 100);
    const client = await stage.connect({ auth: resumeOf(guest, { lastSeq: 5, lastId: 'message-5' }) });
    const resumed = await client.next('session:resumed');
    expect(resumed).toMatchObject({ gap: null, reset: false, hasMore: false });
    expect(resumed.messages.map(({ seq }) => seq)).toEqual(range(6, 100));

    const other = await stage.connect({ auth: resumeOf(guest, { lastSeq: 5, lastId: 'another-id', durableSeq: 3 }) });
    expect(await other.next('session:resumed')).toMatchObject({ reset: true, messages: { 0: { seq: 4 } } });
  });
});

describe('a twin', () => {
  const stage = stageServer();

  it('that resumes later wins, and the end of the first changes nothing', async () => {
    const { host, guest } = await stage.pair();
    const first = guest.client;
    const second = await stage.connect({ auth: resumeOf(guest) });
    await second.next('session:resumed');
    expect(await first.next('connection:closing')).toEqual({ reason: 'replaced', reconnect: false });
    expect(await first.next('disconnect')).toBe('io server disconnect');

    expect(await second.do('message:send', { id: 'from-the-second', body: 1 })).toMatchObject({ seq: 1 });
    expect(await host.client.next('message:new')).toMatchObject({ id: 'from-the-second' });
    await host.client.barrier();
    expect(host.client.received('session:presence').map(({ presence }) => presence)).not.toContain('away');
    expect(host.client.received('session:left')).toEqual([]);
    const { session } = await host.client.do('session:get', {});
    expect(session.participants.map(({ presence }) => presence)).toEqual(['online', 'online']);
  });

  it('of many that come at once: one is left, and it works', async () => {
    const { host, guest } = await stage.pair();
    const twins = await Promise.all(Array.from({ length: 8 }, () => stage.connect({ auth: resumeOf(guest) })));
    await Promise.all(twins.map((twin) => twin.next('session:resumed')));
    const answers = await Promise.allSettled(
      twins.map((twin, n) => twin.do('message:send', { id: `twin-${n}-says`, body: n })),
    );
    await guest.client.next('connection:closing');
    const working = twins.filter((twin) => twin.socket.connected);
    expect(working).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(1);
    await working[0]?.do('message:send', { id: 'who-is-left-speaks', body: 1 });
    await host.client.next('message:new', ({ id }) => id === 'who-is-left-speaks');
    expect(host.client.received('session:left')).toEqual([]);
  });

  it('gets no copy of what it sends itself after it took over', async () => {
    const { guest } = await stage.pair();
    const second = await stage.connect({ auth: resumeOf(guest) });
    await second.do('message:send', { id: 'from-the-second', body: 1 });
    await second.barrier();
    expect(second.received('message:new')).toEqual([]);
  });
});

describe('resume of a closed session', () => {
  const stage = stageServer();

  it('reads, and repeats a send, and changes nothing', async () => {
    const { host, guest } = await stage.pair();
    await guest.client.do('message:send', { id: 'said-in-time', body: 1 });
    await guest.client.drop();
    await host.client.do('session:close', {});
    const client = await stage.connect({ auth: resumeOf(guest) });
    const resumed = await client.next('session:resumed');
    expect(resumed.session).toMatchObject({ status: 'closed', code: null });
    expect(resumed.messages.map(({ id }) => id)).toEqual(['said-in-time']);
    expect(await client.do('message:send', { id: 'said-in-time', body: 1 })).toMatchObject({ seq: 1, duplicate: true });
    expect(await client.refusal('message:send', { id: 'said-too-late', body: 1 })).toMatchObject({
      code: 'SESSION_CLOSED',
    });
    expect((await client.do('message:history', {})).messages).toHaveLength(1);
    expect((await client.do('session:create', {})).session.status).toBe('waiting');
  });
});
