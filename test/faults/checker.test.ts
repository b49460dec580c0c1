import { describe, expect, it } from '@jest/globals';
import { check } from './checker.ts';
import { ANSWERED, evidenceOf, HEARD, invoke, message, ok, seen, standings, unknown } from './made-up-run.ts';
import type { Run } from './made-up-run.ts';
import type { Entry } from './record.ts';
import type { Fate, Invariant } from './verdict.ts';

/** Of three messages, all that there is of the first two. */
const TWO = [message(1), message(2)];
const REVOKED: Entry = { kind: 'revoked', at: 3_000 };
const LIMIT = { points: 2, durationMs: 60_000, burst: 1 };
const close = (seq: number) => message(seq, `one-${seq}`, { sentAt: '2026-01-31T12:00:00.000Z' });
const RESET: Entry = { kind: 'reset', at: 3_500, afterSeq: 2, epoch: 2 };

const right: [string, Run][] = [
  ['a run without a fault', {}],
  [
    'a send that was repeated after its answer was lost',
    {
      one: [
        ...ANSWERED.slice(0, 4),
        invoke('one-3', 3_000),
        unknown('one-3', 3_100),
        invoke('one-3', 9_000, 2),
        ok('one-3', 3, 9_010, { attempt: 2 }),
      ],
    },
  ],
  [
    'copies and disorder on the wire, where a stock client listens',
    { twoIs: 'stock', two: [...HEARD].reverse().concat(HEARD) },
  ],
  ['a hot log that begins later', { session: { redis: [{ seq: 3, id: 'one-3' }] } }],
  ['an exit that was planned', { process: { exits: [{ at: 5_000, code: null, isPlanned: true }] } }],
  [
    'an answer that cannot come through a network that is cut',
    {
      one: [
        ...ANSWERED.slice(0, 4),
        invoke('one-3', 3_000),
        { kind: 'network', at: 3_100, isCut: true },
        unknown('one-3', 15_000),
        { kind: 'network', at: 15_100, isCut: false },
        invoke('one-3', 15_200, 2),
        ok('one-3', 3, 15_300, { attempt: 2 }),
      ],
    },
  ],
  [
    'a seat that ended: it gets nothing more',
    { two: [seen(1, 1_020), seen(2, 2_020), REVOKED], session: { histories: new Map() } },
  ],
  [
    'a limit and one burst',
    {
      expected: { limit: LIMIT },
      session: { log: [close(1), close(2), close(3)] },
      two: [1, 2, 3].map((seq) => seen(seq, 3_020, close(seq))),
    },
  ],
  [
    'a loss that the store may have, told to all and made good by the sender',
    {
      expected: { mayLose: true },
      one: [...ANSWERED, RESET, invoke('one-3', 4_000, 2), ok('one-3', 3, 4_010, { attempt: 2, epoch: 2 })],
      two: [...HEARD, RESET, seen(3, 4_020)],
      session: { epoch: 2 },
    },
  ],
  [
    'a gap that the store may have, told at its place',
    {
      expected: { mayLose: true },
      bodies: [],
      one: [],
      two: [{ kind: 'gap', at: 1_000, fromSeq: 1, toSeq: 3 }],
      session: { log: [], lastSeq: 0, redis: [], postgres: [], histories: new Map() },
    },
  ],
];

const wrong: [Invariant, string, Run, Fate?][] = [
  ['I1', 'an acknowledged message is not stored', { session: { log: TWO } }, 'lost'],
  [
    'I1',
    'an acknowledged message is stored under another number',
    { session: { log: [message(1), message(2, 'one-3'), message(3, 'one-2')] } },
    'reordered',
  ],
  [
    'I1',
    'a loss was told, and the message never came back',
    { expected: { mayLose: true }, one: [...ANSWERED, RESET], two: [...HEARD, RESET], session: { log: TWO, epoch: 2 } },
    'lost',
  ],
  ['I2', 'the log has a message twice', { session: { log: [...TWO, message(3), message(4, 'one-1')] } }, 'duplicated'],
  ['I2', 'the log has a number twice', { session: { log: [...TWO, message(2, 'one-3')] } }],
  [
    'I2',
    'Postgres has a message twice',
    { session: { postgres: [...TWO, message(3), message(4, 'one-1')] } },
    'duplicated',
  ],
  [
    'I2',
    'Redis has a message twice',
    { session: { redis: ['one-1', 'one-2', 'one-1'].map((id, index) => ({ seq: index + 1, id })) } },
    'duplicated',
  ],
  [
    'I2',
    'a send was acknowledged as two',
    { one: [...ANSWERED, invoke('one-3', 4_000, 2), ok('one-3', 4, 4_010, { attempt: 2 })] },
  ],
  ['I2', 'the library hands a message out twice', { two: [...HEARD, seen(3, 3_030)] }],
  [
    'I2',
    'somebody unknown stands in the log',
    { session: { log: [...TWO, message(3), message(4, 'ghost-1')] } },
    'phantom',
  ],
  [
    'I2',
    'a body in the log is not the one that was sent',
    { session: { log: [...TWO, message(3, 'one-3', { body: 'other' })] } },
    'phantom',
  ],
  [
    'I2',
    "a message is stored under another's name",
    { session: { log: [...TWO, message(3, 'one-3', { from: 'seat-two' })] } },
    'phantom',
  ],
  [
    'I2',
    'a refused message is stored',
    {
      one: [
        ...ANSWERED.slice(0, 4),
        invoke('one-3', 3_000),
        { kind: 'fail', at: 3_010, id: 'one-3', attempt: 1, code: 'SESSION_CLOSED' },
      ],
    },
    'phantom',
  ],
  ['I3', 'the log has a hole', { session: { log: [...TWO, message(4, 'one-3')] } }],
  [
    'I3',
    'a client saw another order',
    { twoIs: 'stock', two: [seen(1, 1_020), seen(2, 2_020, message(2, 'one-3')), seen(3, 3_020, message(3, 'one-2'))] },
    'reordered',
  ],
  [
    'I3',
    'a client saw another content',
    { twoIs: 'stock', two: [...HEARD.slice(0, 2), seen(3, 3_020, message(3, 'one-3', { body: 'other' }))] },
  ],
  [
    'I3',
    'a client saw two messages as one number',
    { twoIs: 'stock', two: [...HEARD, seen(3, 3_030, message(3, 'one-9'))] },
  ],
  [
    'I3',
    'what was sent after an answer stands before it',
    {
      one: [
        invoke('one-1', 1_000),
        ok('one-1', 2, 1_010),
        invoke('one-2', 2_000),
        ok('one-2', 1, 2_010),
        ...ANSWERED.slice(4),
      ],
      two: [],
      twoIs: 'stock',
      session: { log: [message(1, 'one-2'), message(2, 'one-1'), message(3)] },
    },
    'reordered',
  ],
  ['I4', 'a client never got a message', { twoIs: 'stock', two: HEARD.slice(0, 2) }],
  ['I4', 'the library leaves one out', { two: [seen(1, 1_020), seen(3, 3_020)] }],
  [
    'I4',
    'a gap is told of what exists',
    { expected: { mayLose: true }, two: [...HEARD.slice(0, 2), { kind: 'gap', at: 3_000, fromSeq: 3, toSeq: 3 }] },
  ],
  [
    'I4',
    'what a client saw is gone, and nobody told it',
    {
      expected: { mayLose: true },
      one: ANSWERED.slice(0, 4),
      bodies: [
        ['one-1', 'one-1'],
        ['one-2', 'one-2'],
      ],
      session: { log: TWO },
    },
    'phantom',
  ],
  ['I4', 'a loss is told where none can be', { two: [...HEARD, RESET, seen(3, 4_020)] }],
  ['I5', 'a process ends by itself', { process: { exits: [{ at: 5_000, code: 1, isPlanned: false }] } }],
  ['I5', 'memory grows beyond its bound', { process: { rssBytes: [100e6, 900e6] } }],
  ['I5', 'the event loop stands still', { process: { loopLagMs: [3, 2_500] } }],
  ['I6', 'an answer comes late', { one: [...ANSWERED.slice(0, 5), ok('one-3', 3, 9_000)] }],
  [
    'I6',
    'a connection ends long after an answer was due',
    {
      one: [
        ...ANSWERED.slice(0, 5),
        unknown('one-3', 9_500),
        invoke('one-3', 9_600, 2),
        ok('one-3', 3, 9_610, { attempt: 2 }),
      ],
    },
  ],
  ['I6', 'a send is never settled', { one: ANSWERED.slice(0, 5) }, 'unsettled'],
  [
    'I6',
    'a good send is refused for good',
    {
      session: { log: TWO },
      two: HEARD.slice(0, 2),
      one: [...ANSWERED.slice(0, 5), { kind: 'fail', at: 3_010, id: 'one-3', attempt: 1, code: 'NOT_IN_SESSION' }],
    },
    'refused',
  ],
  [
    'I7',
    'somebody who was put out is still answered',
    { one: [...ANSWERED.slice(0, 4), { kind: 'revoked', at: 2_500 }, invoke('one-3', 4_000), ok('one-3', 3, 4_010)] },
  ],
  ['I7', 'somebody who was put out still listens', { two: [{ kind: 'revoked', at: 1_500 }, ...HEARD] }],
  ['I8', 'Postgres lacks a message', { session: { postgres: TWO } }],
  ['I8', 'Postgres has another body', { session: { postgres: [...TWO, message(3, 'one-3', { body: 'other' })] } }],
  ['I8', 'Postgres has one that the log has not', { session: { postgres: [...TWO, message(3), message(4, 'one-4')] } }],
  [
    'I8',
    'Postgres has another order',
    { session: { postgres: [message(1), message(2, 'one-3'), message(3, 'one-2')] } },
  ],
  [
    'I8',
    'Postgres names another sender',
    { session: { postgres: [...TWO, message(3, 'one-3', { from: 'seat-two' })] } },
  ],
  ['I8', 'Postgres has nothing', { session: { postgres: [] } }],
  ['I8', 'the archive stopped below the head', { session: { durableSeq: 2 } }],
  [
    'I9',
    'more than the limit and one burst passes',
    { expected: { limit: { ...LIMIT, burst: 0 } }, session: { log: [close(1), close(2), close(3)] } },
  ],
  [
    'I10',
    'a client reads another history',
    { session: { histories: new Map([['two', [...TWO, message(3, 'one-3', { body: 'other' })]]]) } },
  ],
  ['I10', 'a client reads a history that begins late', { session: { histories: new Map([['two', [message(3)]]]) } }],
  ['I10', 'a client reads a history that ends early', { session: { histories: new Map([['two', TWO]]) } }],
  ['I10', 'the head is above the log', { session: { lastSeq: 4 } }],
  ['I10', 'Redis ends early', { session: { redis: TWO.map(({ seq, id }) => ({ seq, id })) } }],
  ['I10', 'Redis has a hole', { session: { redis: [1, 3, 4].map((seq) => ({ seq, id: `one-${seq}` })) } }],
  [
    'I10',
    'Redis goes on after the head',
    { session: { redis: [1, 2, 3, 4].map((seq) => ({ seq, id: `one-${seq}` })) } },
  ],
  ['I10', 'Redis has lost the session', { session: { standings: standings({ Redis: null }) } }],
  ['I10', 'Redis has another epoch', { session: { standings: standings({ Redis: { epoch: 2 } }) } }],
  ['I10', 'Redis has another head', { session: { standings: standings({ Redis: { lastSeq: 4 } }) } }],
  ['I10', 'Redis takes less for archived', { session: { standings: standings({ Redis: { durableSeq: 2 } }) } }],
  ['I10', 'Redis lacks a seat', { session: { standings: standings({ Redis: { seats: ['seat-one'] } }) } }],
  ['I10', 'Postgres lacks the session', { session: { standings: standings({ Postgres: null }) } }],
  ['I10', 'Postgres has another epoch', { session: { standings: standings({ Postgres: { epoch: 2 } }) } }],
  ['I10', 'Postgres has another head', { session: { standings: standings({ Postgres: { lastSeq: 2 } }) } }],
  [
    'I10',
    'Postgres has a seat that ended',
    { session: { standings: standings({ Postgres: { seats: ['seat-one', 'seat-two', 'seat-three'] } }) } },
  ],
  ['I10', 'a client goes on under an epoch that is over', { session: { standings: standings({ one: { epoch: 0 } }) } }],
  ['I10', 'Redis has another message', { session: { redis: [{ seq: 3, id: 'one-9' }] } }],
];

describe('check', () => {
  it.each(right)('finds nothing wrong in %s', (_what, run) => {
    const verdict = check(evidenceOf(run));
    expect(verdict.toString()).not.toContain('BROKEN');
    expect(verdict.isGood).toBe(true);
  });

  it.each(wrong.map((found) => ({ found })))('$found.0: finds that $found.1', ({ found: [invariant, , run, fate] }) => {
    const verdict = check(evidenceOf(run));
    expect(verdict.broken).toContain(invariant);
    if (fate !== undefined) expect(verdict.fates[fate]).toBeGreaterThan(0);
  });

  it('has a wrong record for every invariant', () => {
    const invariants: Invariant[] = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10'];
    expect(new Set(wrong.map(([invariant]) => invariant))).toEqual(new Set(invariants));
  });

  it('counts every message once', () => {
    const { fates } = check(evidenceOf({ session: { log: [...TWO, message(3, 'ghost-1')] } }));
    expect(fates).toMatchObject({ ok: 2, lost: 1, phantom: 1, duplicated: 0, reordered: 0 });
  });

  it('says which invariants it could not look at', () => {
    const report = check(evidenceOf({ session: { postgres: null } })).toString();
    expect(report).toContain('I8  Postgres equals the log: not examined');
    expect(report).toContain('I7  who was put out stays out: not examined');
    expect(report).toContain('messages: ok 3, lost 0');
  });

  it('names what is broken, exactly', () => {
    const report = check(evidenceOf({ session: { log: TWO } })).toString();
    expect(report).toMatch(
      /^I1 {2}nothing acknowledged is missing: BROKEN \(1 of \d+\)\n {6}s one: one-3 was acknowledged and is not stored$/m,
    );
  });
});
