import { expect, it } from '@jest/globals';
import { bodyOf, messageBytes, messageOf, openText } from './message-text.ts';

const OPEN = { sessionId: 'session', from: 'seat', id: 'message_id-1', type: 'app:move' };
const SENT_AT = Date.parse('2026-01-31T12:00:00.000Z');
const BODIES = [
  'null',
  '""',
  '0',
  '-0.5e-7',
  '[]',
  '{"body":"\\"body\\":1","id":"other","seq":7}',
  '"\\u2028 \\" \\\\ }"',
  '"zwölf 😀"',
  '{"__proto__":{"a":1}}',
];

it.each(BODIES)('the body %s is kept as the text that was sent', (bodyJson) => {
  const text = openText({ ...OPEN, bodyJson });
  expect(bodyOf(text)).toEqual({ ...OPEN, bodyJson });
  const message = messageOf(text, 12, SENT_AT);
  expect(JSON.stringify(message.body)).toBe(JSON.stringify(JSON.parse(bodyJson)));
  const body = JSON.parse(bodyJson) as unknown;
  expect(message).toEqual({ ...OPEN, seq: 12, body, sentAt: '2026-01-31T12:00:00.000Z' });
});

it.each(BODIES.filter((body) => !body.includes('u2028') && body !== '-0.5e-7'))(
  'the bytes of a message with the body %s are those that are sent',
  (bodyJson) => {
    const text = openText({ ...OPEN, bodyJson });
    for (const seq of [1, 99, 123_456]) {
      expect(messageBytes(text, seq)).toBe(Buffer.byteLength(JSON.stringify(messageOf(text, seq, SENT_AT))));
    }
  },
);

it('what was not written as a message is refused', () => {
  for (const text of ['', '{}', '{"id":"1","body":2}', 'null']) expect(() => bodyOf(text)).toThrow(TypeError);
});
