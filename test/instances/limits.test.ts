import { describe, expect, it } from '@jest/globals';
import type { Ack } from '../../protocol/commands.ts';
import { limit } from '../support/environment.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { codeOf } from '../support/stage.ts';

const stores = stageStores();
const INSTANCES = [0, 1, 2];

describe('failed joins of one address', () => {
  const stage = stageInstances(stores, { env: { ...limit('join_failures_ip'), TRUST_PROXY: '1' } });
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });

  it('are counted together, and block it on all instances', async () => {
    const host = await stage.host(0);
    const guessers = await Promise.all(INSTANCES.map((index) => stage.connect(index, from('198.51.100.1'))));
    for (const [n, index] of [0, 1, 2, 0, 1].entries()) {
      const error = await guessers[index]?.refusal('session:join', { code: `BCDF${n + 2}Z` });
      expect(error?.code).toBe('SESSION_NOT_FOUND');
    }
    const code = codeOf(host.session);
    for (const guesser of guessers) {
      expect(await guesser.refusal('session:join', { code })).toMatchObject({
        code: 'RATE_LIMITED',
        limit: { name: 'join_failures_ip', points: 5 },
      });
    }
    const other = await stage.connect(2, from('198.51.100.2'));
    expect(await other.do('session:join', { code })).toMatchObject({ session: { status: 'paired' } });
  });
});

describe('the limits of messages', () => {
  const user = { points: 7, durationSeconds: 60 };
  const address = { points: 40, durationSeconds: 60 };
  const stage = stageInstances(stores, {
    env: { ...limit('messages_user', user), ...limit('messages_ip', address), TRUST_PROXY: '1' },
  });

  it('hold for an address with 30 sockets on three instances: never a message more', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.7' };
    const sockets = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const client = await stage.connect(n % 3, { headers });
        await client.do('session:create', {});
        return client;
      }),
    );
    const answers = await Promise.all(
      sockets.flatMap((client, n) =>
        Array.from({ length: 5 }, (_, m) => client.send('message:send', { id: `message-${n}-${m}`, body: m })),
      ),
    );
    const refused = answers.flatMap((answer) => (answer.ok ? [] : [answer.error]));
    expect(answers.length - refused.length).toBe(address.points);
    expect(new Set(refused.map(({ limit: told }) => told?.name))).toEqual(new Set(['messages_ip']));
  });

  it('hold for a participant that goes from instance to instance', async () => {
    const { host } = await stage.pair(0, 1);
    let sent = 0;
    let refused = 0;
    for (let n = 0; n < 12; n += 1) {
      const client = await stage.resume(n % 3, host);
      const answer: Ack<'message:send'> = await client.send('message:send', { id: `message-${n}`, body: n });
      if (answer.ok) sent += 1;
      else if (answer.error.limit?.name === 'messages_user') refused += 1;
    }
    expect({ sent, refused }).toEqual({ sent: user.points, refused: 12 - user.points });
  });
});
