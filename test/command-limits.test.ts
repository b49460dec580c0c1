import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '../protocol/session.ts';
import { Clock } from './support/clock.ts';
import { limit } from './support/environment.ts';
import { stageServer } from './support/stage.ts';

describe('the limit of commands of a connection', () => {
  const clock = new Clock();
  const stage = stageServer(limit('commands_connection'), { now: clock.now });

  it('is 50 in a second', async () => {
    const client = await stage.connect();
    for (let n = 0; n < 50; n += 1)
      expect(await client.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
    expect(await client.refusal('session:get', {})).toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterMs: 1000,
      limit: { name: 'commands_connection', scope: 'connection', points: 50, durationSeconds: 1 },
    });
    clock.advance(1000);
    expect(await client.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
  });

  it('lets the repetition of a send through', async () => {
    const { client } = await stage.host();
    clock.advance(1000);
    await client.do('message:send', { id: 'sent-before', body: 1 });
    for (let n = 0; n < 49; n += 1) await client.do('session:get', {});
    expect(await client.refusal('session:get', {})).toMatchObject({ code: 'RATE_LIMITED' });
    expect(await client.do('message:send', { id: 'sent-before', body: 1 })).toMatchObject({ seq: 1, duplicate: true });
    expect(await client.refusal('message:send', { id: 'not-sent-yet', body: 1 })).toMatchObject({
      code: 'RATE_LIMITED',
    });
  });
});

describe('the limit of signals of a connection', () => {
  const clock = new Clock();
  const stage = stageServer(limit('signals_connection'), { now: clock.now });

  it('is 50 in a second', async () => {
    const { host, guest } = await stage.pair();
    for (let n = 0; n < 50; n += 1) await host.client.do('signal:send', { type: 'n', body: n });
    expect(await host.client.refusal('signal:send', { type: 'n', body: 50 })).toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterMs: 1000,
      limit: { name: 'signals_connection', scope: 'connection', points: 50, durationSeconds: 1 },
    });
    await guest.client.barrier();
    expect(guest.client.received('signal:new')).toHaveLength(50);
    expect(await host.client.do('message:send', { id: 'not-a-signal', body: 1 })).toMatchObject({ seq: 1 });
    clock.advance(1000);
    await host.client.do('signal:send', { type: 'n', body: 51 });
  });
});

describe('a connection that does not stop', () => {
  const clock = new Clock();
  const stage = stageServer(limit('commands_connection', { points: 1, durationSeconds: 60 }), { now: clock.now });

  it('is closed at the 100th refusal by a limit within 10 s, and not before', async () => {
    const client = await stage.connect();
    expect(await client.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
    for (let n = 0; n < 99; n += 1) {
      expect(await client.refusal('session:get', {})).toMatchObject({ code: 'RATE_LIMITED' });
    }
    expect(client.received('connection:closing')).toEqual([]);
    client.socket.emit('session:get', {});
    expect(await client.next('connection:closing')).toMatchObject({ reason: 'rate_limited', reconnect: false });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });

  it('is left alone when its refusals are spread over more than 10 s', async () => {
    const client = await stage.connect();
    await client.refusal('session:get', {});
    for (let round = 0; round < 4; round += 1) {
      for (let n = 0; n < 60; n += 1) await client.refusal('session:get', {});
      clock.advance(10_001);
    }
    expect(client.received('connection:closing')).toEqual([]);
    expect(client.socket.connected).toBe(true);
  });
});

describe('a connection that sends what makes no sense', () => {
  const clock = new Clock();
  const stage = stageServer({}, { now: clock.now });

  function overDeep(): JsonValue {
    return JSON.parse('['.repeat(100) + ']'.repeat(100)) as JsonValue;
  }

  it('is closed at the 20th unknown command within 10 s, and not before', async () => {
    const client = await stage.connect();
    for (let n = 0; n < 19; n += 1) {
      expect(await client.refusal(`no:such${n}`, {})).toMatchObject({ code: 'UNKNOWN_COMMAND' });
    }
    await client.barrier();
    expect(client.received('connection:closing')).toEqual([]);
    client.socket.emit('no:such', {});
    expect(await client.next('connection:closing')).toMatchObject({ reason: 'rate_limited', reconnect: false });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });

  it('is closed at the 20th packet that is too deep within 10 s, and not before', async () => {
    const { client } = await stage.host();
    for (let n = 0; n < 19; n += 1) {
      expect(await client.refusal('message:send', { id: `message-${n}`, body: overDeep() })).toMatchObject({
        code: 'INVALID_PAYLOAD',
      });
    }
    await client.barrier();
    client.socket.emit('message:send', { id: 'message-20', body: overDeep() });
    expect(await client.next('connection:closing')).toMatchObject({ reason: 'rate_limited', reconnect: false });
    expect(await client.next('disconnect')).toBe('io server disconnect');
  });

  it('is left alone when that is spread over more than 10 s, and for payloads that are merely wrong', async () => {
    const { client } = await stage.host();
    for (let round = 0; round < 3; round += 1) {
      for (let n = 0; n < 15; n += 1) await client.refusal('no:such', {});
      clock.advance(10_001);
    }
    for (let n = 0; n < 50; n += 1) await client.refusal('message:send', { id: 'short', body: 1 });
    await client.do('session:get', {});
    expect(client.received('connection:closing')).toEqual([]);
  });

  it('does not disturb its session', async () => {
    const { host, guest } = await stage.pair();
    for (let n = 0; n < 20; n += 1) guest.client.socket.emit('no:such', {});
    await guest.client.next('disconnect');
    expect(await host.client.next('session:presence')).toMatchObject({ presence: 'away' });
    expect(await host.client.do('message:send', { id: 'still-here', body: 1 })).toMatchObject({ seq: 1 });
  });
});
