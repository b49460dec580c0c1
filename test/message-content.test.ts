import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '../protocol/session.ts';
import { stageServer } from './support/stage.ts';

function nested(depth: number): JsonValue {
  let value: JsonValue = [];
  for (let level = 1; level < depth; level += 1) value = [value];
  return value;
}

/** A body of so many bytes of UTF-8 JSON. */
function textOf(bytes: number, character = 'x'): string {
  const room = bytes - 2;
  const size = Buffer.byteLength(character);
  return character.repeat(Math.floor(room / size)) + 'x'.repeat(room % size);
}

describe('the body of a message', () => {
  const stage = stageServer();

  it.each<[string, JsonValue]>([
    ['null', null],
    ['an empty text', ''],
    ['zero', 0],
    ['false', false],
    ['an empty list', []],
    ['an empty object', {}],
    ['a number with a fraction', -0.1],
    ['the largest exact number', Number.MAX_SAFE_INTEGER],
    ['text in many scripts', 'Grüße, \u4f60\u597d, \u{1f469}\u200d\u{1f680}, \u202e, "\\/\b\f\n\r\t'],
    ['markup', '<img src=x onerror=alert(1)>'],
    [
      'keys that mean something to JavaScript',
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{}}') as JsonValue,
    ],
    ['keys that mean something to Socket.IO', { _placeholder: true, num: 0 }],
    ['keys in an order of their own', { b: 1, a: 2, 10: 3 }],
    ['16 KiB', textOf(16_384)],
    ['16 KiB of long characters', textOf(16_384, '\u4f60')],
    ['16 KiB of characters outside the plane', textOf(16_384, '\u{1f600}')],
    ['32 levels', nested(32)],
  ])('may be %s and arrives as it was', async (_what, body) => {
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'message-1', body });
    const live = await guest.client.next('message:new');
    const { messages } = await guest.client.do('message:history', {});
    expect(JSON.stringify(live.body)).toBe(JSON.stringify(body));
    expect(messages).toEqual([live]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    ['no body', { id: 'message-1' }],
    ['a body that JSON leaves out', { id: 'message-1', body: undefined }],
    ['no id', { body: 1 }],
    ['an id of 7 characters', { id: 'x'.repeat(7), body: 1 }],
    ['an id of 65 characters', { id: 'x'.repeat(65), body: 1 }],
    ['an id of 300 characters', { id: 'x'.repeat(300), body: 1 }],
    ['an id with braces', { id: 'message{1}', body: 1 }],
    ['an id with a colon', { id: 'message:1', body: 1 }],
    ['an id with a newline at its end', { id: 'message-1\n', body: 1 }],
    ['an id with letters from elsewhere', { id: 'messäge-1', body: 1 }],
    ['a number for an id', { id: 12_345_678, body: 1 }],
    ['an empty type', { id: 'message-1', body: 1, type: '' }],
    ['a type of 65 characters', { id: 'message-1', body: 1, type: 'x'.repeat(65) }],
    ['a type in upper case', { id: 'message-1', body: 1, type: 'Text' }],
    ['null for a type', { id: 'message-1', body: 1, type: null }],
    ['a body of 16 KiB and 1', { id: 'message-1', body: textOf(16_385) }],
    ['a body of 16 KiB and 1 in long characters', { id: 'message-1', body: textOf(16_385, '\u4f60') }],
    ['a body of 33 levels', { id: 'message-1', body: nested(33) }],
    ['a body of 33 levels of objects', { id: 'message-1', body: { a: nested(32) } }],
    ['NUL in the body', { id: 'message-1', body: { a: ['x\u0000'] } }],
    ['NUL in a key of the body', { id: 'message-1', body: { 'x\u0000': 1 } }],
    ['half of a surrogate pair', { id: 'message-1', body: 'x\ud83d' }],
    ['half of a surrogate pair in a key', { id: 'message-1', body: { '\ude00': 1 } }],
    ['binary data for a body', { id: 'message-1', body: Buffer.from('x') }],
    ['binary data inside the body', { id: 'message-1', body: { a: [Buffer.from('x')] } }],
    ['binary data for an id', { id: Buffer.from('message-1'), body: 1 }],
    ['a sender', { id: 'message-1', body: 1, from: 'server' }],
    ['a seq', { id: 'message-1', body: 1, seq: 7 }],
    ['a time', { id: 'message-1', body: 1, sentAt: '2026-01-31T12:00:00.000Z' }],
    ['nothing at all', undefined],
    ['null', null],
    ['a list', ['message-1', 1]],
  ])('with %s is refused and counts for nothing', async (_what, payload) => {
    const { host, guest } = await stage.pair();
    const error = await host.client.refusal('message:send', payload);
    expect(error).toMatchObject({ code: 'INVALID_PAYLOAD', retryable: false });
    expect(error.issues).toContainEqual({ path: expect.any(String), message: expect.any(String) });
    await guest.client.barrier();
    expect(guest.client.received('message:new')).toEqual([]);
    expect(await host.client.do('message:send', { id: 'message-1', body: 1 })).toMatchObject({ seq: 1 });
  });

  it('may use every character that ids and types have', async () => {
    const { host, guest } = await stage.pair();
    const id = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';
    const type = 'abcdefghijklmnopqrstuvwxyz0123456789._:-';
    await host.client.do('message:send', { id, body: 1, type });
    expect(await guest.client.next('message:new')).toMatchObject({ id, type });
    for (const shortest of ['12345678', '--------']) {
      await host.client.do('message:send', { id: shortest, body: 1, type: 'x'.repeat(64) });
    }
  });

  it('with more than one argument is refused or the rest is ignored, never crashed on', async () => {
    const { host } = await stage.pair();
    await host.client.sendLoose('message:send', { id: 'message-1', body: 1 }, { id: 'message-2', body: 2 });
    await host.client.sendLoose('message:send');
    await host.client.barrier();
    const { messages } = await host.client.do('message:history', {});
    expect(messages.map(({ id }) => id)).not.toContain('message-2');
  });
});

describe('MESSAGE_MAX_BYTES', () => {
  const stage = stageServer({ MESSAGE_MAX_BYTES: '49152' });

  it('lifts the largest body to 48 KiB, to the byte', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('message:send', { id: 'just-right', body: textOf(49_152) });
    expect(await guest.client.next('message:new')).toMatchObject({ id: 'just-right' });
    expect(await host.client.refusal('message:send', { id: 'one-byte-more', body: textOf(49_153) })).toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
  });
});
