import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from './support/client.ts';
import type { Environment } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { plainRedis } from './support/redis-server.ts';
import { resumeOf, type Seat } from './support/seat.ts';
import { startServer } from './support/server.ts';
import { startSupabaseLite, type SupabaseLite } from './support/supabase-lite.ts';

describe('a server whose data are in a Supabase project', () => {
  let lite: SupabaseLite;
  let supabase: Environment;
  const closing: (() => unknown)[] = [];
  beforeAll(async () => {
    lite = await startSupabaseLite();
    supabase = { SUPABASE_URL: lite.url, SUPABASE_SERVICE_ROLE_KEY: lite.secretKey };
  }, 180_000);
  afterAll(() => lite.stop());
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function start(env: Environment = {}) {
    const server = await startServer({ ...supabase, ...env });
    let stopping: Promise<void> | null = null;
    const stop = () => (stopping ??= server.stop());
    closing.push(stop);
    return { url: server.url, stop };
  }

  async function connect(url: string, options: ConstructorParameters<typeof Client>[1] = {}) {
    const client = new Client(url, options);
    closing.push(() => {
      client.close();
    });
    expect(await client.opened()).toBeNull();
    return client;
  }

  async function pair(url: string): Promise<{ host: Seat; guest: Seat }> {
    const [one, other] = [await connect(url), await connect(url)];
    const host = { client: one, ...(await one.do('session:create', {})) };
    const code = host.session.code ?? '';
    return { host, guest: { client: other, ...(await other.do('session:join', { code })) } };
  }

  it('has acknowledged what is committed there, and finds it again after a restart', async () => {
    const first = await start();
    const { host, guest } = await pair(first.url);
    const body = { '10': 1, '9': [true, null, 'ü'] };
    const sent = await host.client.do('message:send', { id: 'message-1', body });
    expect(sent).toMatchObject({ seq: 1, durableSeq: 1, duplicate: false });
    expect(host.session.durability).toBe('archived');
    await first.stop();

    const second = await start();
    const client = await connect(second.url, { auth: resumeOf(guest) });
    const resumed = await client.next('session:resumed');
    expect(resumed).toMatchObject({ reset: false, messages: [{ seq: 1, id: 'message-1', body }] });
    const back = await connect(second.url, { auth: resumeOf(host) });
    await back.next('session:resumed');
    expect(await back.do('message:send', { id: 'message-1', body })).toMatchObject({ seq: 1, duplicate: true });
  });

  it('archives there what instances share in Redis', async () => {
    const redis = await plainRedis();
    closing.push(() => redis.stop());
    const shared = { REDIS_URL: redis.url, REDIS_KEY_PREFIX: `tandem-test-${randomUUID()}` };
    const [one, other] = await Promise.all([start(shared), start(shared)]);
    const { host } = await pair(one.url);
    await host.client.do('message:send', { id: 'message-1', body: 'hello' });
    await eventually(async () => {
      const { session } = await host.client.do('session:get', {});
      expect(session).toMatchObject({ lastSeq: 1, durableSeq: 1 });
    });
    host.client.close();
    const back = await connect(other.url, { auth: resumeOf(host) });
    expect(await back.next('session:resumed')).toMatchObject({ session: { durableSeq: 1 } });
  });
});
