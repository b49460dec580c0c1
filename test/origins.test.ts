import { describe, expect, it } from '@jest/globals';
import { RawSocket, upgrade } from './support/raw.ts';
import { stageServer } from './support/stage.ts';

const LISTED = 'https://app.example';

describe('the origin of a page', () => {
  const stage = stageServer({ CORS_ORIGINS: `${LISTED},http://other.example:8080` });

  async function statusFor(origin: string | undefined): Promise<number> {
    const headers: Record<string, string> = origin === undefined ? {} : { Origin: origin };
    return (await upgrade(stage.url, { headers })).status;
  }

  it.each([
    ['the server itself', () => stage.url],
    ['one that is listed', () => LISTED],
    ['another that is listed', () => 'http://other.example:8080'],
    ['none, as without a browser', () => undefined],
  ])('may be %s', async (_what, origin) => {
    expect(await statusFor(origin())).toBe(101);
  });

  it.each([
    ['elsewhere', () => 'https://evil.example'],
    ['null', () => 'null'],
    ['empty', () => ''],
    ['a listed one with another suffix', () => `${LISTED}.evil.example`],
    ['a listed one with another prefix', () => 'https://evil-app.example'],
    ['a listed one as a subdomain', () => 'https://sub.app.example'],
    ['a listed one with a user', () => 'https://app.example@evil.example'],
    ['a listed one on another port', () => `${LISTED}:8443`],
    ['a listed one with its default port spelled out', () => `${LISTED}:443`],
    ['a listed one without its port', () => 'http://other.example'],
    ['a listed one over another scheme', () => 'http://app.example'],
    ['a listed one in upper case', () => 'https://APP.example'],
    ['a listed one with a path', () => `${LISTED}/`],
    ['two listed ones at once', () => `${LISTED}, http://other.example:8080`],
    ['the server on another port', () => `http://127.0.0.1:${stage.port === 1 ? 2 : 1}`],
    ['the server under another name', () => `http://localhost:${stage.port}`],
    ['the server with a suffix', () => `${stage.url}.evil.example`],
  ])('may not be %s', async (_what, origin) => {
    expect(await statusFor(origin())).toBe(403);
  });

  it('is refused before anything of Socket.IO is said', async () => {
    const refused = stage.client({ headers: { Origin: 'https://evil.example' } });
    expect((await refused.next('connect_error')).data).toBeUndefined();
  });
});

describe('the origin of a page over long polling', () => {
  const stage = stageServer({ SOCKET_TRANSPORTS: 'websocket,polling', CORS_ORIGINS: LISTED });
  const poll = (origin: string) =>
    fetch(`${stage.url}/socket.io/?EIO=4&transport=polling`, { headers: { Origin: origin } });

  it('is held to the same list', async () => {
    for (const origin of ['https://evil.example', 'null', `${LISTED}.evil.example`]) {
      const answer = await poll(origin);
      expect(answer.status).toBe(403);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      await answer.body?.cancel();
    }
    const answer = await poll(LISTED);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(LISTED);
    await answer.body?.cancel();
  });
});

describe('transports', () => {
  describe('by default', () => {
    const stage = stageServer();

    it('are websocket alone', async () => {
      const answer = await fetch(`${stage.url}/socket.io/?EIO=4&transport=polling`);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      await answer.body?.cancel();
      await stage.client({ transports: ['polling'] }).next('connect_error');
    });

    it('refuse an upgrade to another one, or elsewhere', async () => {
      for (const path of ['/socket.io/?EIO=4&transport=webtransport', '/elsewhere/?EIO=4&transport=websocket']) {
        const { status } = await upgrade(stage.url, { path });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
      }
    });

    it('do not speak the protocol of Socket.IO 2', async () => {
      const opening = RawSocket.open(stage.url, { path: '/socket.io/?EIO=3&transport=websocket' });
      await expect(opening).rejects.toThrow('before its handshake');
    });
  });

  describe('with polling', () => {
    const stage = stageServer({ SOCKET_TRANSPORTS: 'websocket,polling' });

    it('are both, and a client on one talks with a client on the other', async () => {
      const polling = await stage.connect({ transports: ['polling'] });
      expect(polling.socket.io.engine.transport.name).toBe('polling');
      const { session } = await polling.do('session:create', {});
      const guest = await stage.guest(session.code);
      await guest.client.do('message:send', { id: 'by-websocket', body: 1 });
      expect(await polling.next('message:new')).toMatchObject({ id: 'by-websocket' });
      await polling.do('message:send', { id: 'by-polling', body: 2 });
      expect(await guest.client.next('message:new')).toMatchObject({ id: 'by-polling' });
    });

    it('may be changed while connected, as stock clients do', async () => {
      const client = stage.client({ transports: ['polling', 'websocket'] });
      const upgraded = new Promise((resolve) => client.socket.io.engine.once('upgrade', resolve));
      await client.next('connect');
      await upgraded;
      expect(await client.do('session:create', {})).toMatchObject({ self: { role: 'host' } });
    });
  });
});
