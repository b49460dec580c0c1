import { expect, it } from '@jest/globals';
import { newSeat, newSession, NOW } from '../../../test/support/stored-session.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { decodeDocument, encodeDocument } from './document-text.ts';

const NEWCOMER = { id: 'knock', name: 'Bob', userId: null, tokenHash: 'hash', keyHash: null, instance: 'one' };

it.each<[string, Partial<SessionDocument>]>([
  ['that is new', {}],
  [
    'with everything that a session can have',
    {
      seats: [
        newSeat('host', { name: 'Ada "😀" \u2028', userId: 'user', key: { hash: 'key', at: NOW } }),
        newSeat('guest', { presence: 'away', awaySince: NOW, instance: null, joinedSeq: 7, generation: 12 }),
      ],
      ...{ capacity: 50, locked: true, approval: true, shareHistory: true, everPaired: true, epoch: 3 },
      metadata: { nested: { list: [1, null, 'x'] } },
      knocks: [{ newcomer: NEWCOMER, ip: '192.0.2.x', at: NOW, answer: { kind: 'admitted', paired: true } }],
    },
  ],
  ['that is closed', { code: null, seats: [], closed: { reason: 'empty', at: NOW } }],
])('a session %s is read as it was written', (_which, own) => {
  const document = newSession(own);
  const text = encodeDocument(document);
  expect(decodeDocument(document.id, text)).toEqual(document);
  expect(text).not.toContain(document.id);
});

it('what a later version adds is kept by an earlier one', () => {
  const document = newSession();
  const later = JSON.stringify({ ...(JSON.parse(encodeDocument(document)) as object), later: { yes: true } });
  const text = encodeDocument(decodeDocument(document.id, later));
  expect(JSON.parse(text)).toMatchObject({ later: { yes: true } });
});

it('what is no document is refused', () => {
  for (const text of ['', '{}', '{"seats":[["only an id"]]}', '{"seats":[{}]}']) {
    expect(() => decodeDocument('session', text)).toThrow();
  }
});

it('a pair takes less than 1.2 KB', () => {
  const seats = [newSeat('host', { name: 'Ada' }), newSeat('guest', { name: 'Bob' })];
  expect(encodeDocument(newSession({ seats })).length).toBeLessThan(1200);
});
