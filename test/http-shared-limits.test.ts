import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Api, PASSWORD, sha256Of, type ApiAnswer } from './support/api.ts';
import { limit } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { stageInstances, stageStores, type InstancesStage } from './support/instances-stage.ts';

const stores = stageStores();
const OUTAGE = ['redis_lost', 'internal_error', 'archive_failed', 'db_error', 'delivery_failed'];
const KEY = 'a-key-of-the-shop-system';

const wrongLogin = { body: { email: 'nobody@example.com', password: 'not the right one' } };

function tryLogin(url: string, address: string): Promise<ApiAnswer> {
  return new Api(url).call('POST', '/api/v1/auth/login', { ...wrongLogin, headers: { 'X-Forwarded-For': address } });
}

/** On a busy machine the database may be late, which counts for nothing. */
async function tried(url: string, address: string): Promise<ApiAnswer> {
  for (;;) {
    const answer = await tryLogin(url, address);
    if (answer.status !== 503) return answer;
  }
}

/** Until each has looked twice since all were there: the first look may have been under way before. */
async function haveHeardOfEachOther({ env, urls }: InstancesStage): Promise<void> {
  const beats = async () => {
    const [...listed] = (await stores.redis.command(
      'HGETALL',
      `${env['REDIS_KEY_PREFIX'] ?? ''}:instances`,
    )) as string[];
    return new Map(listed.flatMap((id, index) => (index % 2 === 0 ? [[id, Number(listed[index + 1])] as const] : [])));
  };
  const before = await eventually(async () => {
    const found = await beats();
    expect(found.size).toBe(urls.length);
    return found;
  });
  await eventually(async () => {
    const now = await beats();
    for (const [id, count] of before) expect(now.get(id)).toBeGreaterThanOrEqual(count + 2);
  });
}

async function withoutRedis(stage: InstancesStage, use: () => Promise<void>): Promise<void> {
  for (const proxy of stage.proxies) {
    proxy.refuse(true);
    proxy.reset();
  }
  try {
    await use();
  } finally {
    for (const proxy of stage.proxies) proxy.refuse(false);
  }
}

describe('the limits of the HTTP interface on three instances', () => {
  const stage = stageInstances(stores, {
    proxied: true,
    env: {
      JWT_SECRET: 'a secret that all instances have in common',
      ...{ ...limit('auth', { points: 6 }), RATE_LIMIT_AUTH_BLOCK: '900', TRUST_PROXY: '1' },
      ...limit('general', { points: 10 }),
      ...limit('api', { points: 10 }),
      API_KEYS: `shop:${sha256Of(KEY)}`,
    },
    server: { errors: OUTAGE },
  });

  it('are one: never a request more, however many come at once', async () => {
    const headers = { 'X-Forwarded-For': '198.51.100.7' };
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        new Api(stage.urls[n % 3] ?? '').call('GET', '/api/v1/sessions', { headers }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort((one, other) => one - other);
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), ...Array.from({ length: 20 }, () => 429)]);
  });

  it('block an address everywhere from the first refusal on', async () => {
    for (let n = 0; n < 6; n += 1) expect((await tried(stage.urls[n % 3] ?? '', '198.51.100.1')).status).toBe(401);
    for (const url of stage.urls) {
      const { status, headers } = await tried(url, '198.51.100.1');
      expect([status, Number(headers.get('Retry-After')) > 800]).toEqual([429, true]);
    }
    expect((await tried(stage.urls[2] ?? '', '198.51.100.2')).status).toBe(401);
  });

  it('count a user and a key wherever they ask, down to the last one', async () => {
    const api = (n: number) => new Api(stage.urls[n % 3] ?? '');
    const { accessToken } = await api(0).ok<{ accessToken: string }>('POST', '/api/v1/auth/register', {
      body: { email: `${randomUUID()}@example.com`, password: PASSWORD },
      headers: { 'X-Forwarded-For': '198.51.100.3' },
    });
    for (const [path, call] of [
      ['/api/v1/auth/me', { token: accessToken }],
      ['/api/v1/sessions', { key: KEY }],
    ] as const) {
      for (let n = 1; n <= 10; n += 1) {
        const { status, headers } = await api(n).call('GET', path, call);
        expect([path, status, headers.get('X-RateLimit-Remaining')]).toEqual([path, 200, String(10 - n)]);
      }
      for (const n of [0, 1, 2]) expect((await api(n).call('GET', path, call)).status).toBe(429);
    }
  });

  it('are divided among the instances while Redis is away', async () => {
    await haveHeardOfEachOther(stage);
    await withoutRedis(stage, async () => {
      for (const url of stage.urls) {
        const statuses: number[] = [];
        for (let n = 0; n < 4; n += 1) statuses.push((await tried(url, '198.51.100.4')).status);
        expect(statuses).toEqual([401, 401, 429, 429]);
      }
    });
  }, 30_000);
});

describe.each([
  ['closed', 503],
  ['open', 401],
])('with RATE_LIMIT_FAIL_POLICY=%s', (policy, status) => {
  const stage = stageInstances(stores, {
    ...{ count: 1, proxied: true, server: { errors: OUTAGE } },
    env: { ...limit('auth', { points: 2 }), TRUST_PROXY: '1', RATE_LIMIT_FAIL_POLICY: policy },
  });

  it('what cannot be counted is answered so', async () => {
    const [url = ''] = stage.urls;
    expect((await tryLogin(url, '198.51.100.5')).status).toBe(401);
    await withoutRedis(stage, async () => {
      for (let n = 0; n < 3; n += 1) expect((await tryLogin(url, '198.51.100.6')).status).toBe(status);
    });
  }, 30_000);
});
