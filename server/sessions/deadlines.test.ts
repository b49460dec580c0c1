import { describe, expect, it } from '@jest/globals';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { closeWhenDue, nextDeadline, type Activity, type Deadline, type Timings } from './deadlines.ts';
import type { Seat, SessionDocument } from './session.ts';

const NOW = Date.parse('2026-01-31T12:00:00.000Z');
const TIMINGS: Timings = { graceMs: 600_000, idleWarningMs: 300_000, idleTimeoutMs: 1_800_000, ttlMs: 86_400_000 };
const CODE_EXPIRES_AT = NOW + 900_000;

describe('the next deadline', () => {
  const warn = (at: number): Deadline => ({ kind: 'warn', at: at + 300_000, closesAt: at + 1_800_000 });
  const awaySince = (id: string, since: number | null): Seat => seat(id, since);
  const timeout = (seatId: string, since: number): Deadline => ({ kind: 'timeout', at: since + 600_000, seatId });
  const expired = (at: number): Deadline => ({ kind: 'close', at, reason: 'expired' });
  const idle = (at: number): Deadline => ({ kind: 'close', at, reason: 'idle' });
  const paired = session({ everPaired: true });
  const cases: [string, SessionDocument, Partial<Activity>, Partial<Timings>, Deadline | null][] = [
    ['of a session at rest is its warning', paired, {}, {}, warn(NOW)],
    [
      'of an unjoined session is a warning of the end of its code',
      session(),
      {},
      {},
      { kind: 'warn', at: NOW + 300_000, closesAt: CODE_EXPIRES_AT },
    ],
    [
      'warns of the end of its life when that is shorter than the idle timeout',
      paired,
      {},
      { ttlMs: 400_000 },
      { kind: 'warn', at: NOW + 300_000, closesAt: NOW + 400_000 },
    ],
    ['moves with the activity', paired, { lastActivityAt: NOW + 7 }, {}, warn(NOW + 7)],
    ['after the warning is its end', paired, { idleWarned: true }, {}, idle(NOW + 1_800_000)],
    ['of a closed session is none', session({ closed: { reason: 'closed', at: NOW } }), {}, {}, null],
    ['of an unjoined session is the end of its code', session(), { idleWarned: true }, {}, expired(CODE_EXPIRES_AT)],
    [
      'of an unjoined session whose code was killed is the idle one',
      session({ code: null }),
      { idleWarned: true },
      {},
      idle(NOW + 1_800_000),
    ],
    [
      'of an unjoined session is the idle one when that comes before the end of the code',
      session(),
      { idleWarned: true },
      { idleTimeoutMs: 400_000 },
      idle(NOW + 400_000),
    ],
    [
      'of an unjoined session does not move with the activity beyond the code',
      session(),
      { idleWarned: true, lastActivityAt: NOW + 899_000 },
      {},
      expired(CODE_EXPIRES_AT),
    ],
    [
      'of an unjoined session is past when its code is over',
      session(),
      { lastActivityAt: NOW + 1_000_000 },
      {},
      expired(CODE_EXPIRES_AT),
    ],
    [
      'of a session that was ever paired has nothing to do with the code',
      session({ everPaired: true, seats: [seat('ann', null)] }),
      { idleWarned: true },
      {},
      idle(NOW + 1_800_000),
    ],
    [
      'is the end of its life when that is shorter than the idle timeout',
      paired,
      { idleWarned: true },
      { ttlMs: 1_000_000 },
      expired(NOW + 1_000_000),
    ],
    ['is no warning when the end comes before it', paired, {}, { ttlMs: 200_000 }, expired(NOW + 200_000)],
    [
      'is the end of a grace',
      session({ everPaired: true, seats: [seat('ann', null), awaySince('bob', NOW - 400_000)] }),
      {},
      {},
      timeout('bob', NOW - 400_000),
    ],
    [
      'is the end of the earliest grace',
      session({
        everPaired: true,
        seats: [awaySince('ann', NOW - 400_000), awaySince('bob', NOW - 500_000), awaySince('cem', NOW - 450_000)],
      }),
      {},
      {},
      timeout('bob', NOW - 500_000),
    ],
    [
      'is the warning when that comes before the end of the grace',
      session({ everPaired: true, seats: [awaySince('ann', NOW)] }),
      {},
      {},
      warn(NOW),
    ],
    [
      'is the end of the session when that comes before the end of the grace',
      session({ everPaired: true, seats: [awaySince('ann', NOW + 1_500_000)] }),
      { idleWarned: true },
      {},
      idle(NOW + 1_800_000),
    ],
  ];
  it.each(cases)('%s', (_name, document, activity, timings, expected) => {
    const given = { lastActivityAt: NOW, idleWarned: false, ...activity };
    expect(nextDeadline(document, given, { ...TIMINGS, ...timings })).toEqual(expected);
  });
});

describe('a close that has become due', () => {
  const rule = closeWhenDue(TIMINGS);
  const at = (now: number, lastActivityAt = NOW) => ({ now, lastSeq: 0, lastActivityAt });
  const notDue = { kind: 'keep', outcome: { kind: 'not_due' } };

  it('closes for the reason of the deadline that has come', () => {
    const idle = rule(session({ everPaired: true }), at(NOW + 1_800_000));
    expect(idle).toMatchObject({ kind: 'change', lasting: true, outcome: { kind: 'closed' } });
    expect(idle).toMatchObject({ document: { closed: { reason: 'idle', at: NOW + 1_800_000 } } });
    const expired = rule(session(), at(CODE_EXPIRES_AT));
    expect(expired).toMatchObject({ document: { closed: { reason: 'expired', at: CODE_EXPIRES_AT } } });
  });

  it('does not close before its time', () => {
    expect(rule(session({ everPaired: true }), at(NOW + 1_799_999))).toEqual(notDue);
    expect(rule(session(), at(CODE_EXPIRES_AT - 1))).toEqual(notDue);
  });

  it('does not close when somebody spoke or joined since', () => {
    expect(rule(session({ everPaired: true }), at(NOW + 1_800_000, NOW + 1))).toEqual(notDue);
    expect(rule(session({ everPaired: true }), at(CODE_EXPIRES_AT))).toEqual(notDue);
  });

  it('closes once', () => {
    const closed = session({ closed: { reason: 'idle', at: NOW } });
    expect(rule(closed, at(NOW + 10 * TIMINGS.ttlMs))).toEqual(notDue);
  });
});

describe('any session', () => {
  const seed = seedOfRun();

  it(`has the earliest of its deadlines next, and closes exactly when its close is due (TEST_SEED=${seed})`, () => {
    const random = new Random(seed);
    const upTo = (ms: number): number => random.below(ms);
    const kinds = new Set<string>();
    for (let round = 0; round < 5000; round += 1) {
      const timings = {
        graceMs: 1 + upTo(1000),
        idleWarningMs: 1 + upTo(1000),
        idleTimeoutMs: 1 + upTo(2000),
        ttlMs: 1 + upTo(4000),
      };
      const document = session({
        everPaired: random.next() < 0.5,
        code: random.next() < 0.3 ? null : { value: 'BCD234', expiresAt: NOW + upTo(2000) },
        seats: Array.from({ length: 1 + upTo(5) }, (_, index) =>
          seat(`seat ${index}`, random.next() < 0.5 ? null : NOW + upTo(1000)),
        ),
      });
      const activity = { lastActivityAt: NOW + upTo(1000), idleWarned: random.next() < 0.5 };
      const next = nextDeadline(document, activity, timings);
      const times = timesOf(document, activity, timings);
      if (next === null) throw new Error('an open session has a deadline');
      kinds.add(next.kind === 'close' ? `close ${next.reason}` : next.kind);
      expect(next.at).toBe(Math.min(...Object.values(times).flat()));
      const named = next.kind === 'close' ? next.reason : next.kind;
      expect(times[named]).toContain(next.at);
      if (next.kind === 'timeout') {
        const away = document.seats.find(({ id }) => id === next.seatId);
        expect((away?.awaySince ?? 0) + timings.graceMs).toBe(next.at);
      }
      const closesAt = Math.min(...times.idle, ...times.expired);
      if (next.kind === 'warn') expect(next.closesAt).toBe(closesAt);
      for (const now of [closesAt - 1, closesAt]) {
        const context = { now, lastSeq: 0, lastActivityAt: activity.lastActivityAt };
        expect(closeWhenDue(timings)(document, context).outcome.kind).toBe(now < closesAt ? 'not_due' : 'closed');
      }
    }
    expect([...kinds].sort()).toEqual(['close expired', 'close idle', 'timeout', 'warn']);
  });
});

/** Every deadline of the session, by the sentences of the protocol and not by the code. */
function timesOf(document: SessionDocument, { lastActivityAt, idleWarned }: Activity, timings: Timings) {
  const isUnjoined = !document.everPaired && document.code !== null;
  return {
    timeout: document.seats.flatMap(({ awaySince }) => (awaySince === null ? [] : [awaySince + timings.graceMs])),
    warn: idleWarned ? [] : [lastActivityAt + timings.idleWarningMs],
    idle: [lastActivityAt + timings.idleTimeoutMs],
    expired: [lastActivityAt + timings.ttlMs, ...(isUnjoined ? [document.code.expiresAt] : [])],
    closed: [] as number[],
    empty: [] as number[],
  };
}

function session(given: Partial<SessionDocument> = {}): SessionDocument {
  return {
    id: 'session',
    epoch: 1,
    createdAt: NOW,
    capacity: 5,
    locked: false,
    approval: false,
    shareHistory: false,
    metadata: {},
    code: { value: 'BCD234', expiresAt: CODE_EXPIRES_AT },
    everPaired: false,
    seats: [seat('ann', null)],
    closed: null,
    ...given,
  };
}

function seat(id: string, awaySince: number | null): Seat {
  return {
    ...{ id, role: 'host', name: null, userId: null, tokenHash: id, key: null, joinedAt: NOW, joinedSeq: 0 },
    ...{ generation: 1, awaySince },
    presence: awaySince === null ? 'online' : 'away',
    instance: awaySince === null ? 'here' : null,
  };
}
