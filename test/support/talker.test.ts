import { describe, expect, it } from '@jest/globals';
import type { Message } from '../../protocol/session.ts';
import type { Knowledge } from './talker.ts';
import { violationsOf } from './talker.ts';

function message(seq: number, id = `talker-${seq}`): Message {
  const sentAt = '2026-01-31T12:00:00.000Z';
  return { id, seq, sessionId: 'session', from: 'participant', type: 'text', body: seq, sentAt };
}

function knowing(own: Partial<Knowledge> = {}): Knowledge {
  return {
    name: 'talker',
    acknowledged: new Map([
      ['talker-1', 1],
      ['talker-2', 2],
      ['talker-3', 3],
    ]),
    unknown: new Map(),
    seen: new Map([
      [1, message(1)],
      [3, message(3)],
    ]),
    violations: [],
    ...own,
  };
}

const log = [message(1), message(2), message(3)];

describe('violationsOf', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(violationsOf(log, [knowing()])).toEqual([]);
  });

  it.each<[string, Message[], Partial<Knowledge>]>([
    ['a lost message', log.slice(0, 2), { seen: new Map() }],
    ['a hole', [message(1), message(3)], { seen: new Map() }],
    ['a doubled message', [...log, message(4, 'talker-1')], {}],
    [
      "two messages in each other's place",
      [message(1), message(2, 'talker-3'), message(3, 'talker-2')],
      { seen: new Map() },
    ],
    ['a message that nobody sent', [...log, message(4, 'phantom-1')], {}],
    ['a message that was seen and is another now', log, { seen: new Map([[2, message(2, 'talker-x')]]) }],
    ['a message that was seen and is gone', log, { seen: new Map([[4, message(4)]]) }],
    ['a body that has changed', log, { seen: new Map([[2, { ...message(2), body: 'other' }]]) }],
    ['a send without an outcome', log, { unknown: new Map([['talker-9', null]]) }],
    ['what a talker found itself', log, { violations: ['told of a loss'] }],
  ])('finds %s', (_what, wrong, own) => {
    expect(violationsOf(wrong, [knowing(own)])).not.toEqual([]);
  });
});
