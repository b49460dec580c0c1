import { describe, expect, it } from '@jest/globals';
import { CODE_ALPHABET } from '../protocol/limits.ts';
import { codeOf, stageServer } from './support/stage.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('creating a session', () => {
  const stage = stageServer();

  it('gives the creator the host seat of a waiting session with a code', async () => {
    const { session, self } = await stage.host({ name: 'Ada', metadata: { room: 'blue', n: [1, null] } });
    expect(session).toMatchObject({
      status: 'waiting',
      capacity: 2,
      locked: false,
      approval: false,
      shareHistory: false,
      lastSeq: 0,
      durableSeq: 0,
      durability: 'archived',
      metadata: { room: 'blue', n: [1, null] },
    });
    expect(session.id).toMatch(UUID_V7);
    expect(session.code).toMatch(new RegExp(`^[${CODE_ALPHABET}]{6}$`));
    expect(session.createdAt).toMatch(TIME);
    expect(session.codeExpiresAt).toMatch(TIME);
    expect(Date.parse(session.codeExpiresAt ?? '') - Date.parse(session.createdAt)).toBe(15 * 60_000);
    expect(session.epoch).toBeGreaterThanOrEqual(1);
    expect(Object.keys(session).sort()).toEqual(
      // What the protocol lists, and no more: nothing of the store leaks out.
      ['approval', 'capacity', 'code', 'codeExpiresAt', 'createdAt', 'durability', 'durableSeq', 'epoch', 'id'].concat([
        'lastSeq',
        'locked',
        'metadata',
        'participants',
        'shareHistory',
        'status',
      ]),
    );

    expect(Object.keys(self).sort()).toEqual(['participantId', 'resumeToken', 'role']);
    expect(self.role).toBe('host');
    expect(self.participantId).toMatch(UUID_V7);
    expect(Buffer.from(self.resumeToken, 'base64url').length).toBeGreaterThanOrEqual(32);
    expect(session.participants).toEqual([
      {
        id: self.participantId,
        role: 'host',
        name: 'Ada',
        userId: null,
        presence: 'online',
        state: 'active',
        joinedAt: expect.stringMatching(TIME),
        joinedSeq: 0,
        delivered: 0,
        read: 0,
      },
    ]);
  });

  it('takes a participant without a name', async () => {
    const { session } = await stage.host();
    expect(session.participants[0]?.name).toBeNull();
    expect(session.metadata).toEqual({});
  });

  it('is refused on a connection that has an open session', async () => {
    const { client } = await stage.host();
    expect(await client.refusal('session:create', {})).toMatchObject({ code: 'ALREADY_IN_SESSION', retryable: false });
    const other = await stage.host();
    expect(await client.refusal('session:join', { code: codeOf(other.session) })).toMatchObject({
      code: 'ALREADY_IN_SESSION',
    });
  });

  it.each([
    ['a capacity of 1', { capacity: 1 }],
    ['a capacity of 51', { capacity: 51 }],
    ['a capacity of 2.5', { capacity: 2.5 }],
    ['a capacity in words', { capacity: '2' }],
    ['an empty name', { name: '' }],
    ['a name of 65 characters', { name: 'x'.repeat(65) }],
    ['metadata that is no object', { metadata: ['x'] }],
    ['metadata of 4 KiB and 1', { metadata: { x: 'y'.repeat(4096 - '{"x":""}'.length + 1) } }],
    ['an approval that is no flag', { approval: 'yes' }],
    ['a key of 15 characters', { key: 'k'.repeat(15) }],
    ['a key of 65 characters', { key: 'k'.repeat(65) }],
    ['a key with other characters', { key: 'k'.repeat(16) + '!' }],
    ['an unknown field', { colour: 'blue' }],
    ['a null for a field', { name: null }],
    ['a list', []],
    ['null', null],
    ['a text', 'text'],
  ])('is refused with %s', async (_what, payload) => {
    const client = await stage.connect();
    const error = await client.refusal('session:create', payload);
    expect(error).toMatchObject({ code: 'INVALID_PAYLOAD', retryable: false });
    expect(error.issues?.length).toBeGreaterThan(0);
    expect(await client.refusal('session:get', {})).toMatchObject({ code: 'NOT_IN_SESSION' });
  });

  it('takes names of 64 characters, metadata of 4 KiB and 50 seats', async () => {
    const { session } = await stage.host({
      name: '\u{1f600}'.repeat(32) + 'x'.repeat(32),
      metadata: { x: 'y'.repeat(4096 - '{"x":""}'.length) },
      capacity: 50,
      approval: false,
      key: 'k'.repeat(64),
    });
    expect(session.capacity).toBe(50);
  });
});

describe('joining a session', () => {
  const stage = stageServer();

  it('pairs two clients and tells both', async () => {
    const host = await stage.host({ name: 'Ada' });
    const guest = await stage.guest(host.session.code, { name: 'Bob' });

    expect(guest.session).toMatchObject({ id: host.session.id, status: 'paired', code: null, codeExpiresAt: null });
    expect(guest.self.role).toBe('guest');
    expect(guest.self.resumeToken).not.toBe(host.self.resumeToken);
    expect(guest.session.participants.map(({ name, role }) => [name, role])).toEqual([
      ['Ada', 'host'],
      ['Bob', 'guest'],
    ]);

    const joined = await host.client.next('session:joined');
    expect(joined.participant).toMatchObject({ id: guest.self.participantId, name: 'Bob', presence: 'online' });
    expect(joined.session.status).toBe('paired');
    for (const { client } of [host, guest]) {
      const { session } = await client.next('session:paired');
      expect(session).toMatchObject({ id: host.session.id, status: 'paired' });
    }
    await guest.client.barrier();
    expect(guest.client.received('session:joined')).toEqual([]);
    expect(JSON.stringify(host.client.received('session:joined'))).not.toContain(guest.self.resumeToken);
  });

  it.each([
    ['lower case', (code: string) => code.toLowerCase()],
    ['the hyphen of the shown form', (code: string) => `${code.slice(0, 3)}-${code.slice(3)}`],
    ['spaces around and inside', (code: string) => `  ${code.slice(0, 2)} ${code.slice(2, 4)} ${code.slice(4)} `],
    ['a hyphen after each character', (code: string) => `${Array.from(code).join('-')}-`],
  ])('takes a code typed with %s', async (_what, typed) => {
    const host = await stage.host();
    const guest = await stage.guest(typed(codeOf(host.session)));
    expect(guest.session.id).toBe(host.session.id);
  });

  it.each([
    ['a vowel', 'BCDA23'],
    ['a digit that no code has', 'BCD123'],
    ['a letter from elsewhere', 'BCDÄ23'],
    ['punctuation', 'BCD.23'],
    ['nothing', ''],
    ['a number', 234_567],
    ['null', null],
    ['a list', ['BCD234']],
  ])('is refused with %s as the code', async (_what, code) => {
    const client = await stage.connect();
    expect(await client.refusal('session:join', { code })).toMatchObject({ code: 'INVALID_PAYLOAD' });
  });

  it('fills up to the capacity, one event per arrival, paired only once', async () => {
    const host = await stage.host({ capacity: 50 });
    const guests = await Promise.all(Array.from({ length: 49 }, () => stage.guest(host.session.code)));
    await host.client.barrier();
    expect(new Set(guests.map(({ self }) => self.participantId)).size).toBe(49);
    expect(host.client.received('session:joined')).toHaveLength(49);
    expect(host.client.received('session:paired')).toHaveLength(1);

    const { session } = await host.client.do('session:get', {});
    expect(session.participants).toHaveLength(50);
    expect(session.participants.filter(({ role }) => role === 'host')).toHaveLength(1);
    expect(session).toMatchObject({ status: 'paired', code: null, codeExpiresAt: null });
    const late = await stage.connect();
    expect(await late.refusal('session:join', { code: codeOf(host.session) })).toMatchObject({ code: 'SESSION_FULL' });
  });

  it('gives the last seat to exactly one of those who come at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const host = await stage.host();
      const code = codeOf(host.session);
      const rivals = await Promise.all([stage.connect(), stage.connect(), stage.connect()]);
      const answers = await Promise.all(rivals.map((rival) => rival.send('session:join', { code })));
      const outcomes = answers.map((answer) => (answer.ok ? 'joined' : answer.error.code)).sort();
      expect(outcomes).toEqual(['SESSION_FULL', 'SESSION_FULL', 'joined']);
      const { session } = await host.client.do('session:get', {});
      expect(session.participants).toHaveLength(2);
    }
  });

  it('shows each participant the same session, and nobody a resume token of another', async () => {
    const { host, guest } = await stage.pair();
    const seenByHost = await host.client.do('session:get', {});
    const seenByGuest = await guest.client.do('session:get', {});
    expect(seenByHost.session).toEqual(seenByGuest.session);
    expect(seenByHost.self).toEqual({ participantId: host.self.participantId, role: 'host' });
    expect(seenByGuest.self).toEqual({ participantId: guest.self.participantId, role: 'guest' });
  });
});

describe('a connection without a session', () => {
  const stage = stageServer();

  it.each([
    ['session:leave', {}],
    ['session:close', {}],
    ['session:kick', { participantId: '01890000-0000-7000-8000-000000000000' }],
    ['session:lock', { locked: true }],
    ['session:reopen', {}],
    ['session:get', {}],
    ['message:send', { id: 'message-1', body: 1 }],
    ['message:history', {}],
    ['message:receipt', { read: 0 }],
    ['signal:send', { type: 'typing', body: null }],
    ['activity:report', { state: 'active' }],
  ])('is told so when it sends %s', async (command, payload) => {
    const client = await stage.connect();
    expect(await client.refusal(command, payload)).toMatchObject({ code: 'NOT_IN_SESSION', retryable: false });
  });
});

describe('what the server does not know', () => {
  const stage = stageServer();

  it('answers a command as unknown', async () => {
    const { client } = await stage.host();
    expect(await client.refusal('session:destroy', {})).toMatchObject({ code: 'UNKNOWN_COMMAND', retryable: false });
  });

  it('refuses a token that is none', async () => {
    const { message, data } = await stage.connectRefusal({ auth: { token: 'anything' } });
    expect(message).toBe('UNAUTHENTICATED');
    expect(data).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false, message: expect.any(String) });
  });
});
