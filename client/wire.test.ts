import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { COMMAND_NAMES, type CommandName, type Commands } from '../protocol/commands.ts';
import { ERRORS, type WireError } from '../protocol/errors.ts';
import { EVENT_NAMES, type EventName, type Events } from '../protocol/events.ts';
import type { Message, Participant, Session } from '../protocol/session.ts';
import { isMessage, isSession, parseAnswer, parseEvent, parseRefusal } from './wire.ts';

const participant: Participant = {
  id: 'p1',
  role: 'host',
  name: null,
  userId: null,
  presence: 'online',
  state: 'active',
  joinedAt: '2026-01-31T12:00:00.000Z',
  joinedSeq: 0,
  delivered: 0,
  read: 0,
};
const session: Session = {
  id: 's1',
  code: 'BCD234',
  status: 'waiting',
  capacity: 2,
  locked: false,
  approval: false,
  shareHistory: false,
  epoch: 1,
  lastSeq: 3,
  durableSeq: 2,
  durability: 'archived',
  createdAt: '2026-01-31T12:00:00.000Z',
  codeExpiresAt: null,
  metadata: { colour: 'red' },
  participants: [participant],
};
const message: Message = {
  id: 'message-1',
  seq: 3,
  sessionId: 's1',
  from: 'p1',
  type: 'text',
  body: null,
  sentAt: '2026-01-31T12:00:00.000Z',
};
const error: WireError = {
  code: 'RATE_LIMITED',
  message: 'Too many.',
  retryable: true,
  retryAfterMs: 1500,
  limit: { name: 'messages_user', scope: 'user', points: 10, durationSeconds: 60 },
  issues: [{ path: 'body', message: 'expected JSON' }],
};
const self = { participantId: 'p1', role: 'host' } as const;

const events: { [E in EventName]: Events[E] } = {
  'session:resumed': {
    session,
    self,
    messages: [message],
    hasMore: false,
    gap: { fromSeq: 1, toSeq: 2 },
    reset: false,
  },
  'session:paired': { session },
  'session:joined': { participant, session },
  'session:knock': { knockId: 'k1', name: null, ip: '192.0.2.0' },
  'session:presence': { participantId: 'p1', presence: 'away' },
  'session:activity': { participantId: 'p1', state: 'idle' },
  'session:left': { participantId: 'p1', reason: 'left', session },
  'session:updated': { session },
  'session:idle': { closesAt: '2026-01-31T12:00:00.000Z' },
  'session:closed': { sessionId: 's1', reason: 'idle' },
  'session:head': { epoch: 1, lastSeq: 3, durableSeq: 3 },
  'message:new': message,
  'message:receipt': { participantId: 'p1', delivered: 3, read: 0 },
  'signal:new': { from: 'p1', type: 'typing', body: { on: true } },
  'connection:closing': { reason: 'draining', reconnect: true, retryAfterMs: 10 },
  'server:draining': { reconnectAfterMs: 0 },
  'command:failed': { command: 'message:send', error },
};

const seated = { session, self: { ...self, resumeToken: 'token' } };
const results: { [C in CommandName]: Commands[C]['result'] } = {
  'session:create': seated,
  'session:join': seated,
  'session:admit': {},
  'session:leave': {},
  'session:close': {},
  'session:kick': {},
  'session:lock': { session },
  'session:reopen': { session },
  'session:get': { session, self },
  'message:send': { id: 'message-1', seq: 3, sentAt: message.sentAt, epoch: 1, durableSeq: 3, duplicate: false },
  'message:history': { messages: [message], hasMore: true, lastSeq: 3, durableSeq: 3, epoch: 1 },
  'message:receipt': {},
  'signal:send': { recipients: 1 },
  'activity:report': {},
  'auth:refresh': {},
};

/** The value without one field, and with that field of a kind that fits nowhere, for each of its fields. */
function broken(value: object): { what: string; value: object }[] {
  return Object.keys(value).flatMap((field) => {
    const rest = Object.fromEntries(Object.entries(value).filter(([other]) => other !== field));
    return [
      { what: `without ${field}`, value: rest },
      // No guard takes a number that is none; what is any JSON (a body) has its own test.
      { what: `with another ${field}`, value: { ...rest, [field]: field === 'body' ? undefined : Number.NaN } },
    ];
  });
}

const without = { 'connection:closing': ['without retryAfterMs'] } as Partial<Record<string, string[]>>;

describe('an event', () => {
  it.each(EVENT_NAMES)('%s passes when it is whole', (name) => {
    expect(parseEvent(name, events[name])).toEqual(events[name]);
  });

  it.each(EVENT_NAMES)('%s is malformed with any field missing or wrong', (name) => {
    for (const { what, value } of broken(events[name])) {
      if (without[name]?.includes(what))
        expect({ what, event: parseEvent(name, value) }).toEqual({ what, event: value });
      else expect({ what, event: parseEvent(name, value) }).toEqual({ what, event: null });
    }
    for (const value of [undefined, null, 0, '', [], [events[name]], {}]) expect(parseEvent(name, value)).toBeNull();
  });

  it('keeps fields of a newer server', () => {
    expect(parseEvent('session:idle', { closesAt: 'x', more: 1 })).toEqual({ closesAt: 'x', more: 1 });
  });

  it('passes with a reason of a newer server', () => {
    const closing = { reason: 'moved', reconnect: true };
    expect(parseEvent('connection:closing', closing)).toEqual(closing);
    const closed = { sessionId: 's1', reason: 'merged' };
    expect(parseEvent('session:closed', closed)).toEqual(closed);
  });

  it('is malformed with a message in it that is', () => {
    const resumed = events['session:resumed'];
    expect(parseEvent('session:resumed', { ...resumed, messages: [message, { ...message, seq: 0 }] })).toBeNull();
    expect(parseEvent('session:resumed', { ...resumed, gap: { fromSeq: 1 } })).toBeNull();
    expect(parseEvent('session:resumed', { ...resumed, gap: { fromSeq: 3, toSeq: 2 } })).toBeNull();
    expect(parseEvent('session:resumed', { ...resumed, gap: null, messages: [] })).not.toBeNull();
  });

  it('carries a binary signal as a Uint8Array, from browsers and from Node.js', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    for (const body of [bytes, bytes.buffer]) {
      const event = parseEvent('signal:new', { from: 'p1', type: 'audio', body });
      expect(event?.body).toBeInstanceOf(Uint8Array);
      expect(event?.body).toEqual(bytes);
    }
  });

  it('tells a failed command with a code of this version', () => {
    const failed = { command: 'x', error: { code: 'TEAPOT', message: 'No.', retryable: false } };
    expect(parseEvent('command:failed', failed)?.error.code).toBe('INVALID_PAYLOAD');
  });
});

describe('a session', () => {
  it.each([
    ['a negative number', { lastSeq: -1 }],
    ['half a number', { epoch: 1.5 }],
    ['a number beyond the safe ones', { durableSeq: 2 ** 53 }],
    ['a status of nobody', { status: 'open' }],
    ['no list of participants', { participants: {} }],
    ['a participant that is null', { participants: [participant, null] }],
    ['a participant without a name', { participants: [{ ...participant, name: undefined }] }],
    ['a participant of another role', { participants: [{ ...participant, role: 'admin' }] }],
    ['a participant that has read -1', { participants: [{ ...participant, read: -1 }] }],
    ['a list as metadata', { metadata: [] }],
  ])('with %s is malformed', (_what, change) => {
    expect(isSession(session)).toBe(true);
    expect(isSession({ ...session, ...change })).toBe(false);
  });
});

describe('a message', () => {
  it.each([null, false, 0, '', [], {}])('may have the body %j', (body) => {
    expect(isMessage({ ...message, body })).toBe(true);
  });

  it.each([0, -1, 1.5, 2 ** 53, '3', null, Number.NaN])('with seq %j is malformed', (seq) => {
    expect(isMessage({ ...message, seq })).toBe(false);
  });
});

describe('an answer', () => {
  it.each(COMMAND_NAMES)('to %s passes when it is whole', (name) => {
    expect(parseAnswer(name, { ok: true, ...results[name] })).toEqual({ ok: true, ...results[name] });
    expect(parseAnswer(name, { ok: false, error })).toEqual({ ok: false, error });
  });

  it.each(COMMAND_NAMES)('to %s is malformed with any field missing or wrong', (name) => {
    for (const { what, value } of broken(results[name])) {
      expect({ what, answer: parseAnswer(name, { ok: true, ...value }) }).toEqual({ what, answer: null });
    }
    const answers = [
      undefined,
      null,
      true,
      'ok',
      [],
      {},
      results[name],
      { ok: 1, ...results[name], error },
      { ok: false },
    ];
    for (const answer of answers) expect(parseAnswer(name, answer)).toBeNull();
  });

  it('needs the resume token of a seat that was just taken', () => {
    expect(parseAnswer('session:join', { ok: true, session, self })).toBeNull();
  });
});

describe('a refusal', () => {
  it.each(Object.keys(ERRORS))('keeps the code %s', (code) => {
    expect(parseRefusal({ code, message: 'Why.', retryable: false })).toEqual({
      code,
      message: 'Why.',
      retryable: false,
    });
  });

  it('keeps its details', () => {
    expect(parseRefusal(error)).toEqual(error);
  });

  it.each(['TEAPOT', '', 'toString', '__proto__', 'constructor'])(
    'with the unknown code %j keeps its message',
    (code) => {
      const message = 'Why.';
      expect(parseRefusal({ code, message, retryable: true })).toEqual({ code: 'INTERNAL', message, retryable: true });
      expect(parseRefusal({ code, message, retryable: false })).toEqual({
        code: 'INVALID_PAYLOAD',
        message,
        retryable: false,
      });
    },
  );

  it.each([
    { retryAfterMs: -1 },
    { retryAfterMs: Number.POSITIVE_INFINITY },
    { retryAfterMs: '5' },
    { limit: {} },
    { limit: { name: 'x', scope: 'user', points: 'many', durationSeconds: 1 } },
    { issues: 'many' },
    { issues: [{ path: 'a' }] },
  ])('loses details that are malformed: %j', (detail) => {
    const plain = { code: 'FORBIDDEN', message: 'Why.', retryable: false };
    expect(parseRefusal({ ...plain, ...detail })).toEqual(plain);
  });

  it.each([
    undefined,
    null,
    'FORBIDDEN',
    [],
    {},
    { code: 'FORBIDDEN' },
    { ...error, code: 7 },
    { ...error, retryable: 1 },
  ])('is none: %j', (data) => {
    expect(parseRefusal(data)).toBeNull();
  });
});

/** Any JSON, and what looks right at first: whole payloads with any JSON put in their places. */
const hostile = fc.oneof(
  fc.jsonValue(),
  fc
    .tuple(
      fc.constantFrom<object>(...Object.values(events), ...Object.values(results), error),
      fc.dictionary(
        fc.constantFrom(
          'session',
          'self',
          'messages',
          'participants',
          'body',
          'error',
          'gap',
          'code',
          'ok',
          '__proto__',
        ),
        fc.jsonValue(),
      ),
    )
    .map(([whole, changes]) => ({ ok: true, ...whole, ...changes })),
);

describe('whatever a server sends', () => {
  it('never throws', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        for (const name of EVENT_NAMES) parseEvent(name, value);
        for (const name of COMMAND_NAMES) parseAnswer(name, value);
        for (const check of [isSession, isMessage, parseRefusal]) check(value);
      }),
    );
  });

  it('is a refusal of this version, or none', () => {
    fc.assert(
      fc.property(fc.record({ code: fc.string(), message: fc.string(), retryable: fc.boolean() }), (data) => {
        expect(Object.keys(ERRORS)).toContain(parseRefusal(data)?.code);
      }),
    );
  });

  it('may be nested too deep for anybody to walk', () => {
    const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    expect(isMessage({ ...message, body: deep })).toBe(true);
    expect(parseEvent('session:resumed', deep)).toBeNull();
  });
});
