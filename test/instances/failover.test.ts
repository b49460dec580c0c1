import { expect, it } from '@jest/globals';
import { Client } from '../support/client.ts';
import { eventually } from '../support/eventually.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startSentinels } from '../support/redis-sentinels.ts';
import { startServer } from '../support/server.ts';
import { codeOf } from '../support/stage.ts';

/** What an instance says of a Redis that is gone for a moment. */
const LOSS = ['redis_lost', 'db_error', 'delivery_failed', 'archive_failed', 'internal_error'];

it('after a failover sends flow within 3 s of the vote, once the new primary was compared', async () => {
  const [postgres, group] = await Promise.all([startPostgres(), startSentinels()]);
  const env = {
    REDIS_SENTINELS: group.sentinels.map(({ host, port }) => `${host}:${port}`).join(','),
    REDIS_SENTINEL_NAME: group.name,
    DATABASE_URL: await postgres.createDatabase(),
    DATABASE_SSL: 'false',
    DATABASE_POOL_MAX: '4',
  };
  const servers = [await startServer(env, { errors: LOSS }), await startServer(env, { errors: LOSS })];
  const [host, guest] = servers.map(({ url }) => new Client(url));
  try {
    if (host === undefined || guest === undefined) throw new Error('there are two servers');
    expect([await host.opened(), await guest.opened()]).toEqual([null, null]);
    const { session } = await host.do('session:create', {});
    await guest.do('session:join', { code: codeOf(session.code) });
    for (let n = 0; n < 20; n += 1) await host.do('message:send', { id: `before-the-vote-${n}`, body: n });
    const first = await group.primary();
    await first.kill();
    let votedAt = 0;
    const vote = eventually(async () => {
      expect((await group.primary()).port).not.toBe(first.port);
      votedAt = performance.now();
    });
    const flowing = [host, guest].map(async (client, index) => {
      const sent = await eventually(() => client.do('message:send', { id: `after-the-vote-${index}`, body: 0 }));
      return { ...sent, at: performance.now() };
    });
    await vote;
    const sent = await Promise.all(flowing);
    expect(Math.max(...sent.map(({ at }) => at)) - votedAt).toBeLessThan(3000);
    expect(new Set(sent.map(({ seq }) => seq)).size).toBe(2);
    const second = await group.primary();
    const marks = (await second.command('KEYS', '*:run:*')) as string[];
    // Of the one before, and of the one that was chosen.
    expect(marks.length).toBeGreaterThanOrEqual(2);
  } finally {
    for (const client of [host, guest]) client?.close();
    for (const server of servers) await server.stop();
    await Promise.all([group.stop(), postgres.stop()]);
  }
}, 90_000);
