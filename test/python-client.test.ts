import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PythonClient } from './support/python-client.ts';
import { resumeOf } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

describe('a client in Python', () => {
  const stage = stageServer();
  let python: PythonClient;

  beforeEach(() => {
    python = new PythonClient();
  });
  afterEach(async () => {
    await python.stop();
  });

  it('as a guest pairs, talks, signals, reads history and resumes', async () => {
    const host = await stage.host({ name: 'JavaScript' });
    await python.connect(stage.url);
    const joined = await python.do('session:join', { code: codeOf(host.session).toLowerCase(), name: 'Python' });
    expect(joined).toMatchObject({ session: { status: 'paired' }, self: { role: 'guest' } });
    expect((await host.client.next('session:joined')).participant).toMatchObject({ name: 'Python' });
    expect((await python.next('session:paired')).session.id).toBe(host.session.id);

    await host.client.do('message:send', { id: 'from-javascript', body: { text: 'Grüße \u{1f600}' } });
    expect(await python.next('message:new')).toMatchObject({ seq: 1, body: { text: 'Grüße \u{1f600}' } });
    const ack = await python.do('message:send', { id: 'from-python-1', body: ['\u4f60\u597d', 1.5, null, true] });
    expect(ack).toMatchObject({ seq: 2, duplicate: false, durableSeq: 2 });
    expect(await host.client.next('message:new')).toMatchObject({ seq: 2, body: ['\u4f60\u597d', 1.5, null, true] });
    expect(await python.send('message:send', { id: 'short', body: 1 })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_PAYLOAD' },
    });

    expect(await python.do('signal:send', { type: 'typing', body: { on: true } })).toMatchObject({ recipients: 1 });
    expect(await host.client.next('signal:new')).toMatchObject({ type: 'typing', body: { on: true } });
    const bytes = Buffer.from([0, 1, 254, 255]);
    await python.do('signal:send', { type: 'chunk', body: bytes });
    expect(Buffer.from((await host.client.next('signal:new')).body as Uint8Array)).toEqual(bytes);
    await host.client.do('signal:send', { type: 'chunk', body: bytes });
    expect((await python.next('signal:new')).body).toEqual(bytes);
    await host.client.do('message:receipt', { read: 2 });
    expect(await python.next('message:receipt')).toMatchObject({ read: 2 });

    const { messages } = await python.do('message:history', { afterSeq: 0 });
    expect(messages.map(({ id }) => id)).toEqual(['from-javascript', 'from-python-1']);

    await python.disconnect();
    expect(await host.client.next('session:presence')).toMatchObject({ presence: 'away' });
    await host.client.do('message:send', { id: 'while-python-slept', body: 3 });
    await python.connect(stage.url, resumeOf(joined, { lastSeq: 2, lastId: 'from-python-1' }));
    expect(await python.next('session:resumed')).toMatchObject({
      reset: false,
      gap: null,
      hasMore: false,
      messages: [{ id: 'while-python-slept', seq: 3 }],
    });
    expect(await host.client.next('session:presence')).toMatchObject({ presence: 'online' });
    expect(await python.do('message:send', { id: 'from-python-2', body: 4 })).toMatchObject({ seq: 4 });
    expect(python.received('message:new')).toBe(1);
  });

  it('as the host creates, talks and closes', async () => {
    await python.connect(stage.url);
    const created = await python.do('session:create', { name: 'Python', metadata: { from: 'python' } });
    expect(created).toMatchObject({ session: { status: 'waiting' }, self: { role: 'host' } });
    const guest = await stage.guest(created.session.code, { name: 'JavaScript' });
    expect(guest.session.metadata).toEqual({ from: 'python' });
    expect((await python.next('session:joined')).participant.name).toBe('JavaScript');

    await python.do('message:send', { id: 'from-the-host', body: 'hello' });
    expect(await guest.client.next('message:new')).toMatchObject({ body: 'hello' });
    await guest.client.do('message:send', { id: 'from-the-guest', body: 'hello to you' });
    expect(await python.next('message:new')).toMatchObject({ seq: 2, body: 'hello to you' });
    expect((await python.do('session:lock', { locked: true })).session.locked).toBe(true);
    await python.do('session:close', {});
    expect(await guest.client.next('session:closed')).toMatchObject({ reason: 'closed' });
    expect(await python.next('session:closed')).toMatchObject({ reason: 'closed' });
  });

  it('is told in words of the catalogue why it may not connect, and when it is thrown out', async () => {
    const { host, guest } = await stage.pair();
    expect(await python.connectRefusal(stage.url, { token: 'x' })).toMatchObject({
      message: 'UNAUTHENTICATED',
      data: { code: 'UNAUTHENTICATED', retryable: false },
    });
    const second = new PythonClient();
    try {
      await second.connect(stage.url, resumeOf(guest));
      await second.next('session:resumed');
      await host.client.do('session:kick', { participantId: guest.self.participantId });
      expect(await second.next('connection:closing')).toEqual({ reason: 'kicked', reconnect: false });
      await second.next('disconnect');
    } finally {
      await second.stop();
    }
  });
});
