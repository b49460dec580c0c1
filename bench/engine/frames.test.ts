import { describe, expect, it } from '@jest/globals';
import { commandFrame, errorOf, readAnswer, readDelivery, readEvent, sendFrame } from './frames.ts';

describe('frames from the server', () => {
  it('give id and seq of a message, whatever its body holds', () => {
    const body = { id: 'bench-9-9', seq: 99, text: '"id":"bench-8-8"' };
    const frame = `42${JSON.stringify(['message:new', { body, sessionId: 's', seq: 34, id: 'bench-0-12' }])}`;
    const { name, payload } = readEvent(frame);
    expect(name).toBe('message:new');
    expect(readDelivery(payload)).toEqual({ id: 'bench-0-12', seq: 34 });
  });

  it.each([[{ id: 'bench-0-1' }], [{ seq: 1 }], [{ id: 1, seq: 1 }], [{ id: 'a', seq: '1' }], [null]])(
    'are refused when the message is %j',
    (payload) => {
      expect(() => readDelivery(payload)).toThrow('expected message:new with id and seq');
    },
  );

  it('give ack id and answer', () => {
    expect(readAnswer('4312[{"ok":true,"seq":1}]')).toEqual({ ackId: 12, answer: { ok: true, seq: 1 } });
  });

  it.each([
    [{ ok: true, id: 'a', seq: 1 }, null],
    [{ ok: false, error: { code: 'RATE_LIMITED', message: 'm' } }, 'RATE_LIMITED'],
    [{ error: { code: 'INTERNAL' } }, 'INTERNAL'],
    [{ ok: false }, 'malformed answer'],
    [undefined, 'malformed answer'],
  ])('tell by %j that the error is %s', (answer, code) => {
    expect(errorOf(answer)).toBe(code);
  });
});

describe('frames to the server', () => {
  it('are the same whether written by hand or by JSON.stringify', () => {
    const payload = { id: 'bench-0-1', body: 'xxx' };
    expect(sendFrame(5, payload.id, payload.body)).toBe(commandFrame(5, 'message:send', payload));
  });
});
