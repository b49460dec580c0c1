import { describe, expect, it } from '@jest/globals';
import { CODE_ALPHABET } from '../protocol/limits.ts';
import type { Client } from './support/client.ts';
import { codeOf, stageServer } from './support/stage.ts';
import type { Stage } from './support/stage.ts';

async function joinOutcome(stage: Stage, code: string): Promise<string> {
  const client = await stage.connect();
  const answer = await client.send('session:join', { code });
  return answer.ok ? 'joined' : answer.error.code;
}

async function currentCode(client: Client): Promise<string | null> {
  return (await client.do('session:get', {})).session.code;
}

describe('a code', () => {
  const stage = stageServer();

  it('is hidden while the session is full and comes back when a seat frees', async () => {
    const { host, guest } = await stage.pair();
    const code = codeOf(host.session);
    expect(await currentCode(host.client)).toBeNull();
    expect(await joinOutcome(stage, code)).toBe('SESSION_FULL');

    await guest.client.do('session:leave', {});
    const { session } = await host.client.next('session:left');
    expect(session).toMatchObject({ code, codeExpiresAt: host.session.codeExpiresAt, status: 'waiting' });
    expect(await joinOutcome(stage, code)).toBe('joined');
  });

  it('is hidden while the session is locked and comes back when the lock opens', async () => {
    const host = await stage.host({ capacity: 3 });
    const code = codeOf(host.session);
    const guest = await stage.guest(code);

    const locked = await host.client.do('session:lock', { locked: true });
    expect(locked.session).toMatchObject({ locked: true, code: null, codeExpiresAt: null });
    for (const { client } of [host, guest]) {
      const { session } = await client.next('session:updated');
      expect(session).toMatchObject({ locked: true, code: null });
    }
    expect(await joinOutcome(stage, code)).toBe('SESSION_LOCKED');

    const opened = await host.client.do('session:lock', { locked: false });
    expect(opened.session).toMatchObject({ locked: false, code });
    expect((await guest.client.next('session:updated')).session).toMatchObject({ locked: false, code });
    expect(await joinOutcome(stage, code)).toBe('joined');
  });

  it('is replaced by reopening, and the old one dies', async () => {
    const host = await stage.host({ capacity: 3 });
    const guest = await stage.guest(host.session.code);
    const old = codeOf(host.session);

    const { session } = await host.client.do('session:reopen', {});
    const fresh = codeOf(session);
    expect(fresh).not.toBe(old);
    expect(session.codeExpiresAt).not.toBeNull();
    for (const { client } of [host, guest]) {
      expect((await client.next('session:updated')).session.code).toBe(fresh);
    }
    expect(await joinOutcome(stage, old)).toBe('SESSION_NOT_FOUND');
    expect(await joinOutcome(stage, fresh)).toBe('joined');
  });

  it('is not replaced while the session is full or locked', async () => {
    const { host, guest } = await stage.pair();
    expect(await host.client.refusal('session:reopen', {})).toMatchObject({ code: 'SESSION_FULL' });
    await guest.client.do('session:leave', {});
    await host.client.do('session:lock', { locked: true });
    expect(await host.client.refusal('session:reopen', {})).toMatchObject({ code: 'SESSION_LOCKED' });
    await host.client.do('session:lock', { locked: false });
    expect(await currentCode(host.client)).toBe(host.session.code);
  });

  it('dies with a kick, also when it was hidden at that time', async () => {
    const { host, guest } = await stage.pair();
    const old = codeOf(host.session);
    await host.client.do('session:kick', { participantId: guest.self.participantId });
    const { session } = await host.client.next('session:left');
    expect(session.code).not.toBe(old);
    expect(await joinOutcome(stage, old)).toBe('SESSION_NOT_FOUND');

    const reopened = await host.client.do('session:reopen', {});
    expect(reopened.session.code).not.toBe(old);
    expect(await joinOutcome(stage, codeOf(reopened.session))).toBe('joined');
    expect(await joinOutcome(stage, old)).toBe('SESSION_NOT_FOUND');
  });

  it('of a closed session says that it is closed', async () => {
    const { host } = await stage.pair();
    await host.client.do('session:close', {});
    expect(await joinOutcome(stage, codeOf(host.session))).toBe('SESSION_CLOSED');
  });

  it('that was killed and one that never was are answered with the same words', async () => {
    const host = await stage.host({ capacity: 3 });
    const killed = codeOf(host.session);
    await host.client.do('session:reopen', {});
    const stranger = await stage.connect();
    const errors = [];
    for (const code of [killed, neverIssued(killed)]) errors.push(await stranger.refusal('session:join', { code }));
    expect(errors[0]).toEqual(errors[1]);
    expect(errors[0]).toMatchObject({ code: 'SESSION_NOT_FOUND', retryable: false });
  });

  it('does not lead anywhere with a character more or less', async () => {
    const host = await stage.host();
    const code = codeOf(host.session);
    for (const wrong of [code.slice(0, 5), `${code}2`]) {
      expect(await joinOutcome(stage, wrong)).toMatch(/^(SESSION_NOT_FOUND|INVALID_PAYLOAD)$/);
    }
    expect((await host.client.do('session:get', {})).session.participants).toHaveLength(1);
  });

  it('that is wrong changes nothing and is told to nobody', async () => {
    const host = await stage.host({ capacity: 3 });
    const before = await host.client.do('session:get', {});
    for (let round = 0; round < 20; round += 1) {
      expect(await joinOutcome(stage, neverIssued(codeOf(host.session)))).toBe('SESSION_NOT_FOUND');
    }
    expect(await host.client.do('session:get', {})).toEqual(before);
    expect(host.client.arrivals()).toEqual(['connect']);
  });

  it('differs from every other that lives', async () => {
    const hosts = await Promise.all(Array.from({ length: 40 }, () => stage.host()));
    expect(new Set(hosts.map(({ session }) => session.code)).size).toBe(40);
  });
});

describe('CODE_LENGTH', () => {
  const stage = stageServer({ CODE_LENGTH: '9' });

  it('makes longer codes that work alike', async () => {
    const host = await stage.host();
    const code = codeOf(host.session);
    expect(code).toMatch(new RegExp(`^[${CODE_ALPHABET}]{9}$`));
    expect(await joinOutcome(stage, `${code.slice(0, 3)}-${code.slice(3, 6)}-${code.slice(6)}`)).toBe('joined');
  });
});

/** One in half a billion that it is issued after all. */
function neverIssued(code: string): string {
  const last = CODE_ALPHABET.indexOf(code.slice(-1));
  return code.slice(0, -1) + CODE_ALPHABET.charAt((last + 1) % CODE_ALPHABET.length);
}
