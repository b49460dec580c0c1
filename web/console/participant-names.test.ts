import { expect, it } from '@jest/globals';
import { participantNames, unknownName } from './participant-names.ts';

it('participants are told apart by the end of their ids where their names do not do that', () => {
  const names = participantNames([
    { id: 'id-000001', name: 'Ada' },
    { id: 'id-000002', name: 'Bob' },
    { id: 'id-000003', name: 'Bob' },
    { id: 'id-000004', name: null },
    { id: 'id-000001', name: 'Ada' },
  ]);
  expect([...names]).toEqual([
    ['id-000001', '\u2068Ada\u2069'],
    ['id-000002', '\u2068Bob\u2069 (000002)'],
    ['id-000003', '\u2068Bob\u2069 (000003)'],
    ['id-000004', '\u2068Somebody\u2069 (000004)'],
  ]);
  expect(unknownName('id-000009')).toBe('Somebody (000009)');
});
