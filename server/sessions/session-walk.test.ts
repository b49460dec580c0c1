import { describe, expect, it } from '@jest/globals';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { HORIZON_MS, NOW, frozen, newSessionInput, newcomer, resuming } from '../../test/support/session-document.ts';
import type { AnyRule, Change, Kinded } from '../../test/support/session-document.ts';
import { closeWhenDue } from './deadlines.ts';
import type { Timings } from './deadlines.ts';
import {
  closeByHost,
  dropConnection,
  findSeat,
  joinSession,
  kickParticipant,
  leaveSession,
  lockSession,
  openSession,
  reopenSession,
  retakeSeat,
  shownCode,
  statusOf,
  timeOutSeat,
} from './session.ts';
import type { SeatHolder, SessionDocument } from './session.ts';

const TIMINGS: Timings = { graceMs: 600_000, idleWarningMs: 300_000, idleTimeoutMs: 1_800_000, ttlMs: 86_400_000 };

describe('any sequence of operations', () => {
  const seed = seedOfRun();

  it(`keeps the rules (TEST_SEED=${seed})`, () => {
    const random = new Random(seed);
    const outcomes = new Set<string>();
    for (let walk = 0; walk < 100; walk += 1) wander(random, outcomes);
    // A walk that never came to one of these would have proved nothing about it.
    expect([...outcomes].sort()).toEqual(
      [
        ...['away', 'closed', 'code_dead', 'gone', 'joined', 'kicked', 'left', 'locked', 'no_such_participant'],
        ...['not_due', 'not_host', 'not_seated', 'own_seat', 'reading', 'rejected', 'reopened', 'resumed', 'retaken'],
        ...['session_closed', 'session_full', 'session_locked', 'stale'],
      ].sort(),
    );
  });
});

/** One session from its creation, 60 operations long, checked after each. */
function wander(random: Random, outcomes: Set<string>): void {
  let now = NOW;
  let serial = 0;
  const capacity = 2 + random.below(4);
  let session = frozen(openSession(newSessionInput(capacity), { ...newcomer('seat 0'), keyHash: 'key 0' }));
  /** Seats in the order in which they were taken, with the highest generation seen; ended ones never come back. */
  const generations = new Map([['seat 0', 1]]);
  const ended = new Set<string>();
  for (let step = 0; step < 60; step += 1) {
    now += Math.floor(random.next() * random.next() * 200_000);
    const seatId = random.pick([...generations.keys()]);
    const generation = (generations.get(seatId) ?? 1) - (random.next() < 0.1 ? 1 : 0);
    const who = random.next() < 0.5 ? { seatId, generation } : hostOf(session);
    const target = random.next() < 0.1 ? 'nobody' : random.pick([...generations.keys()]);
    const code = random.next() < 0.9 ? (session.code?.value ?? 'KILLED') : 'WRONG2';
    const key = `key ${random.below(serial + 2)}`;
    // As the service does, every attempt brings a new token.
    const tokenHash = `token ${step}`;
    const fresh = { ...newcomer(`seat ${serial + 1}`), tokenHash, keyHash: random.next() < 0.3 ? key : null };
    const token =
      random.next() < 0.9 ? { tokenHash: findSeat(session, seatId)?.tokenHash ?? '' } : { tokenHash: 'wrong' };
    const rules: (() => AnyRule)[] = [
      ...Array<() => AnyRule>(4).fill(() => joinSession(code, fresh, HORIZON_MS)),
      () => retakeSeat({ ...newcomer('nobody'), tokenHash, keyHash: key }, HORIZON_MS),
      ...Array<() => AnyRule>(3).fill(() => resuming(seatId, token)),
      ...Array<() => AnyRule>(3).fill(() => dropConnection({ seatId, generation })),
      () => (random.next() < 0.5 ? leaveSession({ seatId, generation }) : timeOutSeat(seatId, TIMINGS.graceMs)),
      () => timeOutSeat(seatId, TIMINGS.graceMs),
      () => kickParticipant(who, target),
      () => lockSession(who, random.next() < 0.3),
      () => reopenSession(who, { value: `CODE${step}`, expiresAt: now + 900_000 }),
      () => (random.next() < 0.2 ? closeByHost(who) : closeWhenDue(TIMINGS)),
    ];
    const rule = random.pick(rules)();
    const before = session;
    const ruleContext = { now, lastSeq: step, lastActivityAt: now - Math.floor(random.next() ** 4 * 2_400_000) };
    const decision = rule(before, ruleContext);
    outcomes.add(decision.outcome.kind);
    expect(rule(before, ruleContext)).toEqual(decision);
    if (decision.kind === 'keep') continue;
    session = frozen(decision.document);
    for (const seat of session.seats) if (!generations.has(seat.id)) generations.set(seat.id, 1);
    if (session.seats.some(({ id }) => id === fresh.id)) serial += 1;
    for (const end of decision.ended) ended.add(end.seat.id);
    checkSession(session, now, [...generations.keys()], ended);
    checkStep(before, decision, generations);
  }
}

function checkSession(session: SessionDocument, now: number, taken: readonly string[], ended: Set<string>): void {
  const { seats, capacity, closed, locked, code } = session;
  expect(seats.length).toBeLessThanOrEqual(capacity);
  expect(seats.map(({ id }) => id)).toEqual(taken.filter((id) => !ended.has(id)));
  if (closed === null) {
    expect(seats.map(({ role }) => role)).toEqual(['host', ...Array<string>(seats.length - 1).fill('guest')]);
    expect(statusOf(session)).toBe(seats.length < 2 ? 'waiting' : 'paired');
  } else {
    expect(statusOf(session)).toBe('closed');
    expect(closed.reason === 'empty').toBe(seats.length === 0);
  }
  for (const seat of seats) {
    expect([seat.awaySince === null, seat.instance !== null]).toEqual(Array(2).fill(seat.presence === 'online'));
  }
  const isHidden = closed !== null || locked || seats.length === capacity || code === null || code.expiresAt <= now;
  expect(shownCode(session, now)).toEqual(isHidden ? null : code);
}

function checkStep(before: SessionDocument, decision: Change<Kinded>, generations: Map<string, number>): void {
  const { document, lasting, ended } = decision;
  expect(before.closed).toBeNull();
  expect(document).not.toEqual(before);
  expect({ ...document, ...changeable }).toEqual({ ...before, ...changeable });
  expect(document.everPaired).toBe(before.everPaired || document.seats.length > 1);
  const living = new Set(document.seats.map(({ id }) => id));
  expect(ended.map(({ seat }) => seat)).toEqual(before.seats.filter(({ id }) => !living.has(id)));
  for (const seat of document.seats) {
    const known = generations.get(seat.id) ?? 0;
    expect(seat.generation).toBeGreaterThanOrEqual(known);
    expect(seat.generation).toBeLessThanOrEqual(known + 1);
    generations.set(seat.id, seat.generation);
  }
  // What needs no commit is what a restart forgets: exactly then.
  const forgettable = { presence: 'away', awaySince: 0, generation: 0, instance: null } as const;
  const [kept, now] = [before, document].map(({ seats, ...rest }) => ({
    ...rest,
    seats: seats.map((seat) => ({ ...seat, ...forgettable })),
  }));
  if (!lasting) expect(now).toEqual(kept);
  else expect(now).not.toEqual(kept);
}

/** What operations may change of a document; all else stays as it was created. */
const changeable = { seats: [], code: null, locked: false, everPaired: false, closed: null };

function hostOf({ seats }: SessionDocument): SeatHolder {
  const host = seats.find(({ role }) => role === 'host');
  return { seatId: host?.id ?? 'seat 0', generation: host?.generation ?? 1 };
}
