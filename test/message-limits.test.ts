import { describe, expect, it } from '@jest/globals';
import type { Client } from './support/client.ts';
import { Clock } from './support/clock.ts';
import { limit } from './support/environment.ts';
import { Random, seedOfRun } from './support/random.ts';
import { resumeOf } from './support/seat.ts';
import { stageServer } from './support/stage.ts';

const MINUTE = 60_000;
let count = 0;

/** 'ok', or the name of the limit that refused. */
async function attempt(client: Client): Promise<string> {
  count += 1;
  const answer = await client.send('message:send', { id: `message-${count}`, body: count });
  if (answer.ok) return 'ok';
  return answer.error.limit?.name ?? answer.error.code;
}

async function attempts(client: Client, times: number): Promise<string[]> {
  const outcomes = [];
  for (let n = 0; n < times; n += 1) outcomes.push(await attempt(client));
  return outcomes;
}

const ok = (times: number) => Array.from({ length: times }, () => 'ok');

describe('the limit of messages of a user', () => {
  const clock = new Clock();
  const stage = stageServer(limit('messages_user'), { now: clock.now });

  it('is 10 in a minute, and says which it is and when to come again', async () => {
    const { host, guest } = await stage.pair();
    expect(await attempts(host.client, 10)).toEqual(ok(10));
    clock.advance(20_000);
    const message = { id: 'one-too-many', body: 1 };
    const error = await host.client.refusal('message:send', message);
    expect(error).toEqual({
      code: 'RATE_LIMITED',
      message: expect.any(String),
      retryable: true,
      retryAfterMs: 40_000,
      limit: { name: 'messages_user', scope: 'user', points: 10, durationSeconds: 60 },
    });
    await guest.client.barrier();
    expect(guest.client.received('message:new')).toHaveLength(10);

    clock.advance(39_999);
    expect(await host.client.refusal('message:send', message)).toMatchObject({ retryAfterMs: 1 });
    clock.advance(1);
    expect(await host.client.do('message:send', message)).toMatchObject({ seq: 11, duplicate: false });
  });

  it('is one of each participant', async () => {
    const { host, guest } = await stage.pair();
    await attempts(host.client, 10);
    expect(await attempt(host.client)).toBe('messages_user');
    expect(await attempts(guest.client, 10)).toEqual(ok(10));
  });

  it('goes with the participant to its next connection', async () => {
    const { host } = await stage.pair();
    await attempts(host.client, 10);
    const back = await stage.connect({ auth: resumeOf(host) });
    expect(await attempt(back)).toBe('messages_user');
  });

  it('slides: in no minute are there more than 10, and each is allowed as soon as it can be', async () => {
    const seed = seedOfRun();
    const random = new Random(seed);
    const { client } = await stage.host();
    const accepted: number[] = [];
    for (let n = 0; n < 150; n += 1) {
      clock.advance(random.below(8000));
      const now = clock.now();
      const inWindow = accepted.filter((at) => at > now - MINUTE).length;
      const expected = inWindow < 10 ? 'ok' : 'messages_user';
      expect({ seed, n, outcome: await attempt(client) }).toEqual({ seed, n, outcome: expected });
      if (expected === 'ok') accepted.push(now);
    }
    expect(accepted.length).toBeLessThan(150);
  });
});

describe('the limit of messages of a connection', () => {
  const clock = new Clock();
  const stage = stageServer(limit('messages_connection'), { now: clock.now });

  it('is 5 in a second, and a new connection has its own', async () => {
    const { host } = await stage.pair();
    expect(await attempts(host.client, 6)).toEqual([...ok(5), 'messages_connection']);
    expect(await host.client.refusal('message:send', { id: 'one-too-many', body: 1 })).toMatchObject({
      retryAfterMs: 1000,
      limit: { name: 'messages_connection', scope: 'connection', points: 5, durationSeconds: 1 },
    });
    const back = await stage.connect({ auth: resumeOf(host) });
    expect(await attempts(back, 6)).toEqual([...ok(5), 'messages_connection']);
    clock.advance(1000);
    expect(await attempts(back, 6)).toEqual([...ok(5), 'messages_connection']);
  });
});

describe('the limit of messages of an address', () => {
  const clock = new Clock();
  const stage = stageServer({ ...limit('messages_ip'), TRUST_PROXY: '1' }, { now: clock.now });

  it('is 20 in a minute, shared by all who come from there', async () => {
    const { host, guest } = await stage.pair();
    const other = await stage.pair();
    expect(await attempts(host.client, 12)).toEqual(ok(12));
    expect(await attempts(guest.client, 7)).toEqual(ok(7));
    expect(await attempts(other.host.client, 2)).toEqual(['ok', 'messages_ip']);
    expect(await host.client.refusal('message:send', { id: 'one-too-many', body: 1 })).toMatchObject({
      retryAfterMs: MINUTE,
      limit: { name: 'messages_ip', scope: 'ip', points: 20, durationSeconds: 60 },
    });

    const elsewhere = await stage.connect({ headers: { 'X-Forwarded-For': '198.51.100.7' } });
    await elsewhere.do('session:create', {});
    expect(await attempt(elsewhere)).toBe('ok');
    clock.advance(MINUTE);
    expect(await attempt(host.client)).toBe('ok');
  });

  it('takes the networks of IPv6 for one address each', async () => {
    const clients = [];
    for (const address of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:3::1']) {
      const client = await stage.connect({ headers: { 'X-Forwarded-For': address } });
      await client.do('session:create', {});
      clients.push(client);
    }
    const [one, neighbour, stranger] = clients;
    if (one === undefined || neighbour === undefined || stranger === undefined) throw new Error('three have connected');
    expect(await attempts(one, 20)).toEqual(ok(20));
    expect(await attempt(neighbour)).toBe('messages_ip');
    expect(await attempt(stranger)).toBe('ok');
  });
});

describe('an address that the client claims', () => {
  const stage = stageServer({ ...limit('messages_ip', { points: 3 }), TRUST_PROXY: '0' });

  it('is not believed without a trusted proxy', async () => {
    const outcomes = [];
    for (let n = 0; n < 4; n += 1) {
      const client = await stage.connect({ headers: { 'X-Forwarded-For': `198.51.100.${n}` } });
      await client.do('session:create', {});
      outcomes.push(await attempt(client));
    }
    expect(outcomes).toEqual([...ok(3), 'messages_ip']);
  });
});

describe('all limits of a message', () => {
  const clock = new Clock();
  const env = {
    ...limit('messages_user', { points: 3, durationSeconds: 60 }),
    ...limit('messages_ip', { points: 4, durationSeconds: 10 }),
  };
  const stage = stageServer(env, { now: clock.now });

  it('are counted together, and a refused message counts for none', async () => {
    const { host, guest } = await stage.pair();
    expect(await attempts(host.client, 2)).toEqual(ok(2));
    expect(await attempts(guest.client, 2)).toEqual(ok(2));
    // The address is exhausted; neither user is. What is refused now must not cost a user a point.
    expect(await attempts(host.client, 5)).toEqual(Array.from({ length: 5 }, () => 'messages_ip'));
    clock.advance(10_000);
    expect(await attempts(host.client, 2)).toEqual(['ok', 'messages_user']);
    // Now the user is exhausted. What is refused now must not cost the address a point: 3 of its 4 are left.
    expect(await attempts(host.client, 5)).toEqual(Array.from({ length: 5 }, () => 'messages_user'));
    const others = await stage.guest((await stage.host()).session.code);
    expect(await attempt(guest.client)).toBe('ok');
    expect(await attempts(others.client, 3)).toEqual(['ok', 'ok', 'messages_ip']);
  });
});

describe('the limits of a connection and of a user', () => {
  const clock = new Clock();
  const env = {
    ...limit('messages_user', { points: 2, durationSeconds: 1 }),
    ...limit('messages_connection', { points: 3, durationSeconds: 60 }),
  };
  const stage = stageServer(env, { now: clock.now });

  it('are counted together, too', async () => {
    const { client } = await stage.host();
    expect(await attempts(client, 6)).toEqual(['ok', 'ok', ...Array.from({ length: 4 }, () => 'messages_user')]);
    clock.advance(1000);
    // Four were refused by the limit of the user: one point of the connection must be left.
    expect(await attempts(client, 2)).toEqual(['ok', 'messages_connection']);
  });

  it('are not counted for what is malformed, or known already', async () => {
    const { client } = await stage.host();
    for (let n = 0; n < 5; n += 1) await client.refusal('message:send', { id: 'short', body: 1 });
    const first = { id: 'again-and-again', body: 1 };
    for (let n = 0; n < 5; n += 1) await client.do('message:send', first);
    await client.refusal('message:send', { ...first, body: 2 });
    expect(await attempts(client, 2)).toEqual(['ok', 'messages_user']);
  });
});

describe('a limit of 0 points', () => {
  const stage = stageServer();

  it('is off', async () => {
    const { client } = await stage.host();
    expect(new Set(await Promise.all(Array.from({ length: 300 }, () => attempt(client))))).toEqual(new Set(['ok']));
  });
});
