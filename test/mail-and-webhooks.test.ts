import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import type { Session } from '../protocol/session.ts';
import { Api, PASSWORD } from './support/api.ts';
import { Client } from './support/client.ts';
import { limit } from './support/environment.ts';
import { parseExposition, total } from './support/exposition.ts';
import { stageInstances, stageStores } from './support/instances-stage.ts';
import { parseMail, partsOf } from './support/mime.ts';
import { startMailServer, type MailServer } from './support/mail-server.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'a-key-of-the-shop-system';
const SECRET = `whsec_${Buffer.from('a secret of webhooks, 32 bytes !').toString('base64')}`;

let mail: MailServer;
let server: RunningServer;
let api: Api;
const clients = new Set<Client>();

beforeAll(async () => {
  mail = await startMailServer();
  server = await startServer({
    API_KEYS: `shop:${createHash('sha256').update(KEY).digest('hex')}`,
    WEBHOOK_SECRET: SECRET,
    SMTP_URL: mail.url,
    MAIL_FROM: 'tandem@example.com',
    PUBLIC_URL: 'https://pair.example.com',
    ...limit('emails_recipient'),
  });
  api = new Api(server.url);
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
  await mail.stop();
}, 60_000);

async function connect(token: string): Promise<Client> {
  const client = new Client(server.url, { auth: { token } });
  clients.add(client);
  const error = await client.opened();
  if (error !== null) throw error;
  return client;
}

describe('an invitation', () => {
  it('reaches one address, with the code and the link, for a backend and for the host', async () => {
    const { session } = await api.ok<{ session: Session }>('POST', '/api/v1/sessions', { key: KEY, body: {} });
    const body = { sessionId: session.id, to: 'bob@example.org', note: 'See you at noon' };
    const { status, body: answer } = await api.call('POST', '/api/send-email', { key: KEY, body });
    expect([status, answer]).toEqual([202, {}]);
    const first = await mail.mails.next('the invitation', ({ to }) => to.includes('bob@example.org'), 10_000);
    expect(first.to).toEqual(['bob@example.org']);
    const [plain] = partsOf(parseMail(first.raw), 'text/plain');
    const text = plain?.body.toString() ?? '';
    const code = session.code ?? '';
    expect(text).toContain(`${code.slice(0, 3)}-${code.slice(3)}`);
    expect(text).toContain('https://pair.example.com/');
    expect(text).toContain('See you at noon');

    const ann = await api.register(`${randomUUID()}@example.com`);
    const host = await connect(ann.accessToken);
    const { session: own } = await host.do('session:create', {});
    const invite = { sessionId: own.id, to: 'cem@example.org' };
    await api.ok('POST', '/api/send-email', { token: ann.accessToken, body: invite });
    await mail.mails.next('the other invitation', ({ to }) => to.includes('cem@example.org'), 10_000);
  });

  it('is for the host and backends alone, to one plain address, for a session that can be joined', async () => {
    const [ann, bob] = [
      await api.register(`${randomUUID()}@example.com`),
      await api.register(`${randomUUID()}@example.com`),
    ];
    const [host, guest] = [await connect(ann.accessToken), await connect(bob.accessToken)];
    const { session } = await host.do('session:create', { capacity: 3 });
    const body = { sessionId: session.id, to: 'bob@example.org' };
    const refusal = (call: object) => api.refusal('POST', '/api/send-email', call);
    expect(await refusal({ body })).toEqual([401, 'UNAUTHENTICATED']);
    expect(await refusal({ token: bob.accessToken, body })).toEqual([404, 'SESSION_NOT_FOUND']);
    await guest.do('session:join', { code: session.code ?? '' });
    expect(await refusal({ token: bob.accessToken, body })).toEqual([403, 'FORBIDDEN']);
    for (const wrong of [
      { to: 'bob@example.org, eve@example.org' },
      { to: 'bob@example.org\r\nBcc: eve@example.org' },
      { to: 'Bob <bob@example.org>' },
      { to: '' },
      { note: 'see https://evil.example' },
      { note: 'x'.repeat(201) },
      { cc: 'eve@example.org' },
      { sessionId: 'nothing' },
    ]) {
      const refused = await refusal({ token: ann.accessToken, body: { ...body, ...wrong } });
      expect([wrong, refused]).toEqual([wrong, [400, 'INVALID_PAYLOAD']]);
    }
    await host.do('session:lock', { locked: true });
    expect(await refusal({ token: ann.accessToken, body })).toEqual([409, 'SESSION_LOCKED']);
    await host.do('session:close', {});
    expect(await refusal({ token: ann.accessToken, body })).toEqual([410, 'SESSION_CLOSED']);
    const nowhere = { ...body, sessionId: randomUUID() };
    expect(await refusal({ key: KEY, body: nowhere })).toEqual([404, 'SESSION_NOT_FOUND']);
  });

  it('that is too many for its recipient is refused, and counted once', async () => {
    const { session } = await api.ok<{ session: Session }>('POST', '/api/v1/sessions', { key: KEY, body: {} });
    const body = { sessionId: session.id, to: 'dora@example.org' };
    for (let n = 0; n < 3; n += 1) await api.ok('POST', '/api/send-email', { key: KEY, body });
    expect(await api.refusal('POST', '/api/send-email', { key: KEY, body })).toEqual([429, 'RATE_LIMITED']);
    const samples = parseExposition((await api.text('/metrics')).body);
    expect(total(samples, 'tandem_rate_limited_total', { limit: 'emails_recipient' })).toBe(1);
  });

  it('is not sent where there is no mail server', async () => {
    const other = await startServer({ API_KEYS: `shop:${createHash('sha256').update(KEY).digest('hex')}` });
    try {
      const without = new Api(other.url);
      const { session } = await without.ok<{ session: Session }>('POST', '/api/v1/sessions', { key: KEY, body: {} });
      const body = { sessionId: session.id, to: 'bob@example.org' };
      expect(await without.refusal('POST', '/api/send-email', { key: KEY, body })).toEqual([503, 'UNAVAILABLE']);
      const hook = await without.refusal('POST', '/api/v1/webhooks/auth', { body: { type: 'user.deleted' } });
      expect(hook).toEqual([401, 'UNAUTHENTICATED']);
    } finally {
      await other.stop();
    }
  });
});

function signed(body: object, { secret = SECRET, at = new Date(), id = `msg_${randomUUID()}` } = {}) {
  const text = JSON.stringify(body);
  return {
    body,
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, text),
    },
  };
}

const path = '/api/v1/webhooks/auth';

describe('a webhook', () => {
  it('ends what it says has ended', async () => {
    const ann = await api.register(`${randomUUID()}@example.com`);
    for (const type of ['user.logged_out', 'user.password_changed']) {
      const { accessToken, refreshToken } = await api.login(ann.user.email);
      const socket = await connect(accessToken);
      const answer = await api.call('POST', path, signed({ type, data: { userId: ann.user.id } }));
      expect(answer.status).toBe(204);
      expect(await socket.next('connection:closing')).toMatchObject({ reason: 'revoked' });
      expect((await api.refusal('GET', '/api/v1/auth/me', { token: accessToken }))[0]).toBe(401);
      expect((await api.refusal('POST', '/api/v1/auth/refresh', { body: { refreshToken } }))[0]).toBe(401);
    }
    await api.login(ann.user.email);
    await api.ok('POST', path, signed({ type: 'user.deleted', data: { userId: ann.user.id } }));
    const body = { email: ann.user.email, password: PASSWORD };
    expect(await api.refusal('POST', '/api/v1/auth/login', { body })).toEqual([401, 'INVALID_CREDENTIALS']);
  });

  it('counts when it is signed, and lately', async () => {
    const ann = await api.register(`${randomUUID()}@example.com`);
    const event = { type: 'user.deleted', data: { userId: ann.user.id } };
    const late = new Date(Date.now() - 6 * 60_000);
    const right = signed(event);
    for (const call of [
      { body: event },
      signed(event, { secret: `whsec_${Buffer.from('another secret of 32 bytes long!').toString('base64')}` }),
      signed(event, { at: late }),
      { ...right, body: { ...event, more: 1 } },
      { ...right, headers: { ...right.headers, 'webhook-id': 'msg_other' } },
    ]) {
      expect(await api.refusal('POST', path, call)).toEqual([401, 'UNAUTHENTICATED']);
    }
    await api.ok('GET', '/api/v1/auth/me', { token: ann.accessToken });
    expect((await api.call('POST', path, signed({ type: 'something.else', data: {} }))).status).toBe(204);
  });
});

describe('a webhook that is brought to two instances', () => {
  const stores = stageStores({});
  const instances = stageInstances(stores, {
    count: 2,
    env: { WEBHOOK_SECRET: SECRET, JWT_SECRET: 'the-same-for-both-and-long-enough-to-be-one' },
  });

  it('has no other effect the second time, and is answered alike', async () => {
    const [first, second] = instances.urls.map((url) => new Api(url));
    if (first === undefined || second === undefined) throw new Error('two instances');
    const ann = await first.register(`${randomUUID()}@example.com`);
    const userId = ann.user.id;
    for (const type of ['user.logged_out', 'user.password_changed']) {
      const { accessToken } = await first.login(ann.user.email);
      // A whole second would stand for all of it.
      const happenedAt = Math.max(Date.now(), Math.floor(Date.now() / 1000) * 1000 + 1);
      const event = { type, timestamp: new Date(happenedAt).toISOString(), data: { userId } };
      const delivery = signed(event);
      expect((await first.call('POST', path, delivery)).status).toBe(204);
      expect((await first.refusal('GET', '/api/v1/auth/me', { token: accessToken }))[0]).toBe(401);
      const since = await second.login(ann.user.email);
      // A recording of it, and its sender who brings it again.
      for (const again of [delivery, signed(event, { id: delivery.headers['webhook-id'] })]) {
        for (const api of [second, first]) expect((await api.call('POST', path, again)).status).toBe(204);
      }
      for (const api of [first, second]) await api.ok('GET', '/api/v1/auth/me', { token: since.accessToken });
      await second.ok('POST', '/api/v1/auth/refresh', { body: { refreshToken: since.refreshToken } });
    }
    const gone = signed({ type: 'user.deleted', timestamp: new Date().toISOString(), data: { userId } });
    for (const api of [first, second, first]) expect((await api.call('POST', path, gone)).status).toBe(204);
    // The address is free for somebody else, whom the recording does not concern.
    const next = await second.register(ann.user.email);
    for (const api of [first, second]) expect((await api.call('POST', path, gone)).status).toBe(204);
    await first.ok('GET', '/api/v1/auth/me', { token: next.accessToken });
  });
});
