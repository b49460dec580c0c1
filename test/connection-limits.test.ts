import { describe, expect, it } from '@jest/globals';
import { CODE_ALPHABET } from '../protocol/limits.ts';
import { Client } from './support/client.ts';
import { Clock } from './support/clock.ts';
import { limit } from './support/environment.ts';
import { resumeOf } from './support/seat.ts';
import { codeOf, stageServer } from './support/stage.ts';

/** A code with the right characters that nobody issued, one in half a billion apart. */
function wrongCode(n: number): string {
  return `${CODE_ALPHABET.charAt(n % 28)}ZZZZ${CODE_ALPHABET.charAt(Math.floor(n / 28) % 28)}`;
}

describe('the limit of connections of an address', () => {
  const clock = new Clock();
  const stage = stageServer({ ...limit('connections_ip'), TRUST_PROXY: '1' }, { now: clock.now });
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });

  it('is 5 in a minute, and says when to come again', async () => {
    for (let n = 0; n < 5; n += 1) await stage.connect(from('198.51.100.1'));
    const { message, data } = await stage.connectRefusal(from('198.51.100.1'));
    expect(message).toBe('RATE_LIMITED');
    expect(data).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 60_000 });
    await stage.connect(from('198.51.100.2'));
    clock.advance(60_000);
    await stage.connect(from('198.51.100.1'));
  });

  it('does not count a valid resume, and does not stop one', async () => {
    const address = from('198.51.100.3');
    const client = await stage.connect(address);
    const seat = { client, ...(await client.do('session:create', {})) };
    for (let n = 0; n < 10; n += 1) await stage.connect({ ...address, auth: resumeOf(seat) });
    for (let n = 0; n < 4; n += 1) await stage.connect(address);
    expect((await stage.connectRefusal(address)).message).toBe('RATE_LIMITED');
    const back = await stage.connect({ ...address, auth: resumeOf(seat) });
    await back.next('session:resumed');
  });

  it('counts a resume that is not valid', async () => {
    const address = from('198.51.100.4');
    const seat = await stage.connect(from('198.51.100.5'));
    const { session, self } = await seat.do('session:create', {});
    const auth = resumeOf({ session, self }, { resumeToken: 'A'.repeat(43) });
    for (let n = 0; n < 5; n += 1) {
      expect((await stage.connectRefusal({ ...address, auth })).message).toBe('RESUME_REJECTED');
    }
    expect((await stage.connectRefusal(address)).message).toBe('RATE_LIMITED');
  });

  it('holds for a namespace that nobody serves, which is refused as any handshake', async () => {
    const address = from('198.51.100.7');
    const refusal = async () => {
      const client = new Client(`${stage.url}/admin`, address);
      const { message, data } = (await client.opened()) ?? {};
      client.close();
      return [message, data];
    };
    const unknown = { code: 'UNKNOWN_COMMAND', message: expect.any(String), retryable: false };
    for (let n = 0; n < 5; n += 1) expect(await refusal()).toEqual(['UNKNOWN_COMMAND', unknown]);
    const limited = expect.objectContaining({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: expect.any(Number),
    });
    expect(await refusal()).toEqual(['RATE_LIMITED', limited]);
    expect((await stage.connectRefusal(address)).message).toBe('RATE_LIMITED');
  });
});

describe('the limit of failed joins of an address', () => {
  const clock = new Clock();
  const stage = stageServer({ ...limit('join_failures_ip'), TRUST_PROXY: '1' }, { now: clock.now });
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });

  it('blocks it after 5 misses for 5 minutes, also for the right code and on other connections', async () => {
    const host = await stage.host();
    const guesser = await stage.connect(from('198.51.100.1'));
    for (let n = 0; n < 5; n += 1) {
      expect(await guesser.refusal('session:join', { code: wrongCode(n) })).toMatchObject({
        code: 'SESSION_NOT_FOUND',
      });
    }
    const code = codeOf(host.session);
    const error = await guesser.refusal('session:join', { code });
    expect(error).toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      limit: { name: 'join_failures_ip', scope: 'ip', points: 5, durationSeconds: 60 },
    });
    expect(error.retryAfterMs).toBe(300_000);
    const second = await stage.connect(from('198.51.100.1'));
    expect(await second.refusal('session:join', { code })).toMatchObject({ code: 'RATE_LIMITED' });

    clock.advance(299_000);
    expect(await guesser.refusal('session:join', { code })).toMatchObject({ code: 'RATE_LIMITED' });
    clock.advance(1000);
    expect((await guesser.do('session:join', { code })).session.id).toBe(host.session.id);
  });

  it('does not block another address, and lets the blocked one create', async () => {
    const host = await stage.host();
    const guesser = await stage.connect(from('198.51.100.2'));
    for (let n = 0; n < 6; n += 1) await guesser.refusal('session:join', { code: wrongCode(n) });
    const other = await stage.connect(from('198.51.100.3'));
    await other.do('session:join', { code: codeOf(host.session) });
    await guesser.do('session:create', {});
  });

  it('counts a code with other characters as a miss', async () => {
    const guesser = await stage.connect(from('198.51.100.4'));
    for (let n = 0; n < 5; n += 1) {
      const code = ['AEIOU1', 'B'.repeat(65), 'A'.repeat(60_000)][n % 3] ?? '';
      expect(await guesser.refusal('session:join', { code })).toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
    expect(await guesser.refusal('session:join', { code: wrongCode(1) })).toMatchObject({ code: 'RATE_LIMITED' });
  });

  it('does not count full, locked and closed sessions', async () => {
    const { host, guest } = await stage.pair();
    const code = codeOf(host.session);
    const late = await stage.connect(from('198.51.100.5'));
    for (let n = 0; n < 8; n += 1) {
      expect(await late.refusal('session:join', { code })).toMatchObject({ code: 'SESSION_FULL' });
    }
    await guest.client.do('session:leave', {});
    await host.client.do('session:lock', { locked: true });
    for (let n = 0; n < 8; n += 1) {
      expect(await late.refusal('session:join', { code })).toMatchObject({ code: 'SESSION_LOCKED' });
    }
    await host.client.do('session:close', {});
    for (let n = 0; n < 8; n += 1) {
      expect(await late.refusal('session:join', { code })).toMatchObject({ code: 'SESSION_CLOSED' });
    }
  });
});

describe('failed joins of the whole deployment', () => {
  const stage = stageServer(limit('join_failures_total', { points: 3 }));

  async function timed(action: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await action();
    return performance.now() - start;
  }

  it('beyond the limit make every join wait for 2 s, right or wrong', async () => {
    const host = await stage.host();
    const client = await stage.connect();
    const quick = await timed(() => client.refusal('session:join', { code: wrongCode(0) }));
    expect(quick).toBeLessThan(1500);
    await Promise.all([1, 2, 3, 4].map((n) => client.refusal('session:join', { code: wrongCode(n) })));

    const wrong = await timed(() => client.refusal('session:join', { code: wrongCode(5) }));
    expect(wrong).toBeGreaterThan(1950);
    const right = await timed(() => client.do('session:join', { code: codeOf(host.session) }));
    expect(right).toBeGreaterThan(1950);
    expect(right).toBeLessThan(5000);
    expect(await timed(() => host.client.do('message:send', { id: 'not-slowed-down', body: 1 }))).toBeLessThan(1500);
  });
});
