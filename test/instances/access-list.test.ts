import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client } from '../support/client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startServer, type RunningServer } from '../support/server.ts';

const FILE = path.join(import.meta.dirname, '../../deploy/redis/tandem.acl');
const PASSWORD = 'password-of-this-test';

let stores: [RedisServer, PostgresServer];
let servers: RunningServer[] = [];

beforeAll(async () => {
  const aclfile = (await readFile(FILE, 'utf8')).replace('REPLACE_WITH_A_RANDOM_PASSWORD', PASSWORD);
  stores = await Promise.all([startRedis({ aclfile, appendonly: 'always' }), startPostgres()]);
  const [redis, postgres] = stores;
  const env = {
    REDIS_URL: `redis://tandem:${PASSWORD}@${redis.host}:${redis.port}`,
    DATABASE_URL: await postgres.createDatabase(),
    DATABASE_SSL: 'false',
  };
  servers = [await startServer(env), await startServer(env)];
}, 60_000);

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await Promise.all(stores.map((store) => store.stop()));
}, 60_000);

it('two instances serve a pair with what the access list in deploy/ allows', async () => {
  const [host, guest] = servers.map(({ url }) => new Client(url));
  if (host === undefined || guest === undefined) throw new Error('there are two');
  for (const client of [host, guest]) expect(await client.opened()).toBeNull();
  const { session } = await host.do('session:create', { name: 'Ada' });
  expect(session.durability).toBe('redis_always');
  const joined = await guest.do('session:join', { code: session.code ?? '', name: 'Bob' });
  await host.next('session:joined');
  for (const [speaker, listener, id] of [
    [host, guest, 'from-the-host'],
    [guest, host, 'from-the-guest'],
  ] as const) {
    await speaker.do('message:send', { id, body: 'hello' });
    expect(await listener.next('message:new')).toMatchObject({ id });
  }
  await guest.do('message:receipt', { read: 2 });
  expect(await host.next('message:receipt')).toMatchObject({ read: 2 });
  expect(await guest.do('signal:send', { type: 'typing', body: true })).toMatchObject({ recipients: 1 });
  await host.do('session:lock', { locked: true });
  await host.do('session:kick', { participantId: joined.self.participantId });
  await guest.next('connection:closing');
  await host.do('session:close', {});
  for (const { url } of servers) expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  for (const client of [host, guest]) client.close();
});
