import { describe, expect, it } from '@jest/globals';
import type { CommandResult } from '../protocol/commands.ts';
import type { Client } from './support/client.ts';
import type { Seat } from './support/seat.ts';
import { stageServer } from './support/stage.ts';
import type { Stage } from './support/stage.ts';

async function say(client: Client, count: number, body: (n: number) => string = (n) => `number ${n}`): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, n) => client.do('message:send', { id: `message-${n + 1}`, body: body(n + 1) })),
  );
}

async function pairWith(stage: Stage, count: number): Promise<{ host: Seat; guest: Seat }> {
  const seats = await stage.pair();
  await say(seats.host.client, count);
  return seats;
}

const seqs = ({ messages }: CommandResult<'message:history'>) => messages.map(({ seq }) => seq);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

describe('history', () => {
  const stage = stageServer();

  it('without a position is the newest page, ascending', async () => {
    const { host, guest } = await pairWith(stage, 60);
    const page = await guest.client.do('message:history', {});
    expect(seqs(page)).toEqual(range(11, 60));
    expect(page).toMatchObject({ ok: true, hasMore: true, lastSeq: 60, durableSeq: 60, epoch: host.session.epoch });
    expect(page.messages[0]).toMatchObject({
      id: 'message-11',
      body: 'number 11',
      from: host.self.participantId,
      sessionId: host.session.id,
      type: 'text',
    });
    expect(await host.client.do('message:history', { limit: 60 })).toMatchObject({ hasMore: false });
  });

  it('pages forwards to the end', async () => {
    const { host } = await pairWith(stage, 25);
    const pages = [];
    let afterSeq = 0;
    for (;;) {
      const page = await host.client.do('message:history', { afterSeq, limit: 10 });
      pages.push(seqs(page));
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
      if (!page.hasMore) break;
    }
    expect(pages).toEqual([range(1, 10), range(11, 20), range(21, 25)]);
    expect(seqs(await host.client.do('message:history', { afterSeq: 25 }))).toEqual([]);
    expect(await host.client.do('message:history', { afterSeq: 25 })).toMatchObject({ hasMore: false, lastSeq: 25 });
    expect(seqs(await host.client.do('message:history', { afterSeq: 1000 }))).toEqual([]);
  });

  it('pages backwards to the beginning', async () => {
    const { host } = await pairWith(stage, 25);
    const pages = [];
    let beforeSeq = 26;
    for (;;) {
      const page = await host.client.do('message:history', { beforeSeq, limit: 10 });
      pages.push(seqs(page));
      beforeSeq = page.messages[0]?.seq ?? 0;
      if (!page.hasMore) break;
    }
    expect(pages).toEqual([range(16, 25), range(6, 15), range(1, 5)]);
    expect(await host.client.do('message:history', { beforeSeq: 1 })).toMatchObject({ messages: [], hasMore: false });
    expect(seqs(await host.client.do('message:history', { beforeSeq: 1000, limit: 3 }))).toEqual(range(23, 25));
  });

  it('tells of more exactly when there is more', async () => {
    const { host } = await pairWith(stage, 10);
    for (const [payload, hasMore] of [
      [{ limit: 10 }, false],
      [{ limit: 9 }, true],
      [{ afterSeq: 0, limit: 10 }, false],
      [{ afterSeq: 0, limit: 9 }, true],
      [{ beforeSeq: 11, limit: 10 }, false],
      [{ beforeSeq: 11, limit: 9 }, true],
    ] as const) {
      expect(await host.client.do('message:history', payload)).toMatchObject({ hasMore });
    }
  });

  it('is at most 200 messages and 256 KiB', async () => {
    const { client } = await stage.host();
    await say(client, 210, () => 'x'.repeat(3000));
    const page = await client.do('message:history', { afterSeq: 0, limit: 200 });
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThanOrEqual(256 * 1024);
    expect(page.messages.length).toBeGreaterThan(70);
    expect(page.messages.length).toBeLessThan(100);
    expect(page.hasMore).toBe(true);
    expect(seqs(page)).toEqual(range(1, page.messages.length));

    const newest = await client.do('message:history', { limit: 200 });
    expect(Buffer.byteLength(JSON.stringify(newest))).toBeLessThanOrEqual(256 * 1024);
    expect(newest.hasMore).toBe(true);
    expect(seqs(newest)).toEqual(range(211 - newest.messages.length, 210));
  });

  it('of an empty session is empty', async () => {
    const { client } = await stage.host();
    for (const payload of [{}, { afterSeq: 0 }, { beforeSeq: 1 }]) {
      expect(await client.do('message:history', payload)).toMatchObject({ messages: [], hasMore: false, lastSeq: 0 });
    }
  });

  it.each([
    ['both positions', { afterSeq: 1, beforeSeq: 3 }],
    ['a limit of 0', { limit: 0 }],
    ['a limit of 201', { limit: 201 }],
    ['a limit with a fraction', { limit: 1.5 }],
    ['a negative position', { afterSeq: -1 }],
    ['a position with a fraction', { afterSeq: 1.5 }],
    ['a position in words', { afterSeq: '1' }],
    ['a position beyond exact numbers', { afterSeq: 2 ** 53 }],
    ['null for a position', { beforeSeq: null }],
    ['an unknown field', { from: 1 }],
  ])('with %s is refused', async (_what, payload) => {
    const { client } = await stage.host();
    expect(await client.refusal('message:history', payload)).toMatchObject({ code: 'INVALID_PAYLOAD' });
  });

  it('begins where the participant came, in every direction', async () => {
    const host = await stage.host();
    await say(host.client, 5);
    const guest = await stage.guest(host.session.code);
    await host.client.do('message:send', { id: 'message-6', body: 6 });
    await host.client.do('message:send', { id: 'message-7', body: 7 });
    for (const payload of [{}, { afterSeq: 0 }, { afterSeq: 3 }, { beforeSeq: 8 }]) {
      const page = await guest.client.do('message:history', payload);
      expect(seqs(page)).toEqual([6, 7]);
      expect(page).toMatchObject({ hasMore: false, lastSeq: 7 });
    }
    expect(await guest.client.do('message:history', { beforeSeq: 6 })).toMatchObject({ messages: [], hasMore: false });
    expect(seqs(await guest.client.do('message:history', { beforeSeq: 7 }))).toEqual([6]);
    expect(seqs(await host.client.do('message:history', {}))).toEqual(range(1, 7));
  });

  it('is whole for everybody when it is shared', async () => {
    const host = await stage.host({ shareHistory: true });
    await say(host.client, 5);
    const guest = await stage.guest(host.session.code);
    expect(guest.session.participants.at(-1)).toMatchObject({ joinedSeq: 5 });
    expect(seqs(await guest.client.do('message:history', { afterSeq: 0 }))).toEqual(range(1, 5));
    expect(seqs(await guest.client.do('message:history', { beforeSeq: 3 }))).toEqual([1, 2]);
  });

  it('can be read after the close', async () => {
    const { host, guest } = await pairWith(stage, 3);
    await host.client.do('session:close', {});
    await guest.client.next('session:closed');
    expect(seqs(await guest.client.do('message:history', {}))).toEqual([1, 2, 3]);
  });
});

describe('history that is longer than what is kept at hand', () => {
  const stage = stageServer({ HISTORY_HOT_MESSAGES: '20' });

  it('is whole all the same, forwards and backwards', async () => {
    const { host } = await pairWith(stage, 130);
    expect(seqs(await host.client.do('message:history', { afterSeq: 0, limit: 200 }))).toEqual(range(1, 130));
    expect(seqs(await host.client.do('message:history', { afterSeq: 50, limit: 70 }))).toEqual(range(51, 120));
    expect(seqs(await host.client.do('message:history', { beforeSeq: 120, limit: 30 }))).toEqual(range(90, 119));
    expect(seqs(await host.client.do('message:history', { beforeSeq: 12, limit: 200 }))).toEqual(range(1, 11));
    expect(seqs(await host.client.do('message:history', { limit: 100 }))).toEqual(range(31, 130));
  });
});
