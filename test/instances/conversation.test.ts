import { describe, expect, it } from '@jest/globals';
import type { Message, Session } from '../../protocol/session.ts';
import { Api, sha256Of } from '../support/api.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import type { Seat } from '../support/seat.ts';

const stores = stageStores();
const KEY = 'the-key-of-a-backend';
const stage = stageInstances(stores, {
  env: { JWT_SECRET: 'a secret that all instances have in common', API_KEYS: `shop:${sha256Of(KEY)}` },
});
const PAIRS = [
  [0, 1],
  [1, 2],
  [2, 0],
] as const;

describe('a pair on two instances', () => {
  it('gets every message once and in order, three pairs at the same time', async () => {
    const pairs = await Promise.all(PAIRS.map(([one, other]) => stage.pair(one, other)));
    await Promise.all(
      pairs.flatMap(({ host, guest }) => [speak(host, 'host', 40), speak(guest, 'guest', 40), beside(host, guest)]),
    );
    for (const { host, guest } of pairs) {
      const logs = await Promise.all([host, guest].map(({ client }) => client.do('message:history', { limit: 200 })));
      expect(logs[1]?.messages).toEqual(logs[0]?.messages);
      expect(logs[0]).toMatchObject({ lastSeq: 80, hasMore: false });
      for (const seat of [host, guest]) {
        const others = (logs[0]?.messages ?? []).filter(({ from }) => from !== seat.self.participantId);
        await seat.client.next('message:new', ({ seq }) => seq === others.at(-1)?.seq).catch(() => undefined);
        expect(seat.client.received('message:new')).toEqual(others);
      }
    }
  });

  it('hears of receipts, signals, activity and locks', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('message:send', { id: 'to-be-read', body: 'hello' });
    await guest.client.next('message:new');
    await guest.client.do('message:receipt', { read: 1 });
    const participantId = guest.self.participantId;
    expect(await host.client.next('message:receipt')).toEqual({ participantId, delivered: 1, read: 1 });

    const typing = { type: 'typing', body: { isTyping: true } };
    expect(await guest.client.do('signal:send', typing)).toMatchObject({ recipients: 1 });
    expect(await host.client.next('signal:new')).toEqual({ from: participantId, ...typing });
    const offer = { type: 'offer', body: Buffer.from([1, 2, 3]) };
    await host.client.do('signal:send', { ...offer, to: participantId });
    expect(await guest.client.next('signal:new')).toEqual({ from: host.self.participantId, ...offer });

    await guest.client.do('activity:report', { state: 'idle' });
    expect(await host.client.next('session:activity')).toEqual({ participantId, state: 'idle' });
    await guest.client.do('activity:report', { state: 'active' });
    expect(await host.client.next('session:activity')).toEqual({ participantId, state: 'active' });

    await host.client.do('session:lock', { locked: true });
    expect((await guest.client.next('session:updated')).session.locked).toBe(true);
    await guest.client.barrier();
    for (const { client } of [host, guest]) {
      expect(client.received('message:receipt').length + client.received('session:activity').length).toBeLessThan(4);
    }
  });

  it('hears of a reopened session, and its third participant comes by a third instance', async () => {
    const { host, guest } = await stage.pair(0, 1, { capacity: 3 });
    const { session } = await host.client.do('session:reopen', {});
    expect((await guest.client.next('session:updated')).session.code).toBe(session.code);
    const third = await stage.guest(2, session.code, { name: 'Third' });
    for (const { client } of [host, guest]) {
      expect(
        (await client.next('session:joined', ({ participant }) => participant.name === 'Third')).session.code,
      ).toBeNull();
    }
    await third.client.do('message:send', { id: 'from-the-third', body: 3 });
    for (const { client } of [host, guest]) {
      expect(await client.next('message:new')).toMatchObject({ from: third.self.participantId, body: 3 });
    }
    await third.client.barrier();
    expect(third.client.received('message:new')).toEqual([]);
  });

  it('ends for both when the host closes it, and each may begin anew', async () => {
    const { host, guest } = await stage.pair(1, 2);
    await host.client.do('session:close', {});
    for (const { client } of [host, guest]) {
      expect(await client.next('session:closed')).toEqual({ sessionId: host.session.id, reason: 'closed' });
    }
    expect(await guest.client.refusal('message:send', { id: 'said-too-late', body: 1 })).toMatchObject({
      code: 'SESSION_CLOSED',
    });
    const again = await guest.client.do('session:create', {});
    await host.client.do('session:join', { code: again.session.code ?? '' });
    await guest.client.next('session:paired', ({ session }) => session.id === again.session.id);
    expect(guest.client.received('session:closed')).toHaveLength(1);
  });
});

describe('history', () => {
  it('is one sequence from every instance, also of what only Postgres has', async () => {
    const { host, guest } = await stage.pair(0, 1, { capacity: 3, shareHistory: true });
    await Promise.all([speak(host, 'host', 60), speak(guest, 'guest', 60)]);
    const code = (await host.client.do('session:get', {})).session.code;
    const late = await stage.guest(2, code);
    const pages: Message[] = [];
    for (let hasMore = true; hasMore;) {
      const page = await late.client.do('message:history', { afterSeq: pages.at(-1)?.seq ?? 0, limit: 33 });
      pages.push(...page.messages);
      hasMore = page.hasMore;
    }
    expect(pages.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    const newest = await host.client.do('message:history', { limit: 20 });
    expect(newest.messages).toEqual(pages.slice(-20));
  });

  it('stands in every list once its commands are answered', async () => {
    const [here, there] = [new Api(stage.urls[0] ?? ''), new Api(stage.urls[1] ?? '')];
    const user = await here.register('ann@example.com');
    const listed = async (status: string, id: string) => {
      const { sessions } = await there.ok<{ sessions: Session[] }>('GET', `/api/v1/sessions?status=${status}`, {
        key: KEY,
      });
      return sessions.some((session) => session.id === id);
    };
    for (let round = 0; round < 5; round += 1) {
      const host = await stage.host(0);
      expect(await listed('waiting', host.session.id)).toBe(true);
      const client = await stage.connect(0, { auth: { token: user.accessToken } });
      await client.do('session:join', { code: host.session.code ?? '' });
      expect(await listed('paired', host.session.id)).toBe(true);
      const { sessions } = await there.ok<{ sessions: Session[] }>('GET', '/api/v1/me/sessions', {
        token: user.accessToken,
      });
      expect(sessions[0]?.id).toBe(host.session.id);
      await host.client.do('session:leave', {});
      expect(await listed('waiting', host.session.id)).toBe(true);
    }
  });
});

async function speak({ client }: Seat, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await client.do('message:send', { id: `${name}-message-${n}`, body: { n } });
  }
}

/** What else goes on between two, at the same time as their messages. */
async function beside(host: Seat, guest: Seat): Promise<void> {
  for (let n = 0; n < 5; n += 1) {
    await guest.client.do('signal:send', { type: 'typing', body: n });
    await host.client.do('session:lock', { locked: n % 2 === 0 });
  }
}
