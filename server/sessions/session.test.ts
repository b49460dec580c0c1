import { describe, expect, it } from '@jest/globals';
import { closeWhenDue, type Timings } from './deadlines.ts';
import {
  closeByHost,
  closeSession,
  dropConnection,
  findSeat,
  heldSeat,
  isFull,
  joinSession,
  kickParticipant,
  leaveSession,
  lockSession,
  openSession,
  reopenSession,
  resumeSeat,
  retakeSeat,
  shownCode,
  statusOf,
  timeOutSeat,
} from './session.ts';
import type { Decision, NewSeat, Rule, RuleContext, Seat, SeatHolder, SessionDocument } from './session.ts';

const NOW = Date.parse('2026-01-31T12:00:00.000Z');
const HORIZON_MS = 3_600_000;
const CODE = { value: 'BCD234', expiresAt: NOW + 900_000 };
const TIMINGS: Timings = { graceMs: 600_000, idleWarningMs: 300_000, idleTimeoutMs: 1_800_000, ttlMs: 86_400_000 };

interface Kinded {
  readonly kind: string;
}

/** A rule whose outcome says its kind, whatever else it says. */
type AnyRule = Rule<Kinded>;

describe('a new session', () => {
  it('has its creator as host, on the first connection', () => {
    const session = newSession();
    expect(session).toMatchObject({ epoch: 1, locked: false, everPaired: false, code: CODE, closed: null });
    expect(session.seats).toMatchObject([
      { id: 'ann', role: 'host', presence: 'online', awaySince: null, generation: 1, joinedSeq: 0, joinedAt: NOW },
    ]);
    expect(statusOf(session)).toBe('waiting');
  });

  it('remembers the key of its creator with the time of its use', () => {
    const session = openSession(newSessionInput(2), { ...newcomer('ann'), keyHash: 'key' });
    expect(session.seats[0]?.key).toEqual({ hash: 'key', at: NOW });
    expect(newSession().seats[0]?.key).toBeNull();
  });
});

describe('a join', () => {
  it('takes the next seat as a guest, from the head of the session on', () => {
    const { document, outcome } = changed(newSession(), joining('bob'), { lastSeq: 7, now: NOW + 5 });
    expect(outcome).toMatchObject({ kind: 'joined', paired: true });
    expect(document.seats.map(({ id, role }) => [id, role])).toEqual([
      ['ann', 'host'],
      ['bob', 'guest'],
    ]);
    expect(document.seats[1]).toMatchObject({ joinedSeq: 7, joinedAt: NOW + 5, generation: 1, presence: 'online' });
    expect(document.everPaired).toBe(true);
    expect(statusOf(document)).toBe('paired');
  });

  it('pairs with the second participant, and again after a re-pairing', () => {
    const three = room(3, 'bob');
    expect(changed(three, joining('cem')).outcome).toMatchObject({ kind: 'joined', paired: false });
    const alone = after(three, leaveSession(holder('bob')));
    expect(statusOf(alone)).toBe('waiting');
    expect(changed(alone, joining('cem')).outcome).toMatchObject({ kind: 'joined', paired: true });
  });

  const full = room(2, 'bob');
  const locked = after(newSession(), lockSession(holder('ann'), true));
  const closed = after(newSession(), closeByHost(holder('ann')));
  const killed = after(room(3, 'bob'), kickParticipant(holder('ann'), 'bob'));
  const refusals: [string, SessionDocument, AnyRule, number, string][] = [
    ['of a full session', full, joining('cem'), NOW, 'session_full'],
    ['of a locked session', locked, joining('cem'), NOW, 'session_locked'],
    ['of a locked and full session', { ...full, locked: true }, joining('cem'), NOW, 'session_locked'],
    ['of a closed session', closed, joining('cem'), NOW, 'session_closed'],
    ['by a wrong code', newSession(), joining('cem', 'ZZZ999'), NOW, 'code_dead'],
    ['by a killed code', killed, joining('cem'), NOW, 'code_dead'],
    ['by a code that is over', newSession(), joining('cem'), CODE.expiresAt, 'code_dead'],
    ['by a wrong code of a full session', full, joining('cem', 'ZZZ999'), NOW, 'code_dead'],
    ['of a closed session when the code is over', closed, joining('cem'), CODE.expiresAt, 'code_dead'],
  ];
  it.each(refusals)('is refused and changes nothing: %s', (_name, session, rule, now, kind) => {
    expect(rule(session, context({ now }))).toEqual({ kind: 'keep', outcome: { kind } });
  });

  it('succeeds until the last millisecond of the code', () => {
    expect(changed(newSession(), joining('bob'), { now: CODE.expiresAt - 1 }).outcome.kind).toBe('joined');
  });
});

describe('a repeated key', () => {
  const keyed = after(newSession(3), joinSession(CODE.value, { ...newcomer('bob'), keyHash: 'key' }, HORIZON_MS));
  const again = { ...newcomer('other'), keyHash: 'key', tokenHash: 'new token' };

  it.each([
    ['join', joinSession(CODE.value, again, HORIZON_MS) as AnyRule],
    ['create', retakeSeat(again, HORIZON_MS) as AnyRule],
  ])('of a %s gives the same seat, a new token and a new connection', (_name, rule) => {
    const { document, outcome, lasting } = changed(keyed, rule);
    expect(outcome).toMatchObject({ kind: 'retaken', wasAway: false });
    expect(document.seats).toHaveLength(2);
    expect(document.seats[1]).toMatchObject({ id: 'bob', tokenHash: 'new token', generation: 2, role: 'guest' });
    expect(lasting).toBe(true);
  });

  it('says that the seat was away', () => {
    const away = after(keyed, dropConnection(holder('bob')));
    expect(changed(away, retakeSeat(again, HORIZON_MS)).outcome).toMatchObject({ kind: 'retaken', wasAway: true });
  });

  it('retakes a seat whatever has become of the code, the lock and the free seats', () => {
    const rule = joinSession(CODE.value, again, HORIZON_MS);
    const locked = after(keyed, lockSession(holder('ann'), true));
    const full = after(keyed, joining('cem'));
    for (const session of [locked, full, { ...keyed, code: null }]) {
      expect(changed(session, rule).outcome.kind).toBe('retaken');
    }
  });

  it('counts within the retry horizon', () => {
    const rule = retakeSeat(again, HORIZON_MS);
    expect(changed(keyed, rule, { now: NOW + HORIZON_MS - 1 }).outcome.kind).toBe('retaken');
    expect(rule(keyed, context({ now: NOW + HORIZON_MS }))).toEqual({ kind: 'keep', outcome: { kind: 'gone' } });
  });

  it('finds nothing when the seat has ended, the session is closed, or there is no key', () => {
    const gone = { kind: 'keep', outcome: { kind: 'gone' } };
    const left = after(keyed, leaveSession(holder('bob')));
    const closed = after(keyed, closeByHost(holder('ann')));
    expect(retakeSeat(again, HORIZON_MS)(left, context())).toEqual(gone);
    expect(retakeSeat(again, HORIZON_MS)(closed, context())).toEqual(gone);
    expect(retakeSeat(newcomer('ann'), HORIZON_MS)(keyed, context())).toEqual(gone);
  });
});

describe('a resume', () => {
  const away = after(room(2, 'bob'), dropConnection(holder('bob')));

  it('takes the seat on a new connection and needs no commit', () => {
    const { document, outcome, lasting } = changed(away, resuming('bob'));
    expect(outcome).toMatchObject({ kind: 'resumed', wasAway: true, seat: { id: 'bob', generation: 2 } });
    expect(findSeat(document, 'bob')).toMatchObject({ presence: 'online', awaySince: null, instance: 'there' });
    expect(lasting).toBe(false);
  });

  it('wins over the connection that holds the seat', () => {
    const { document, outcome } = changed(room(2, 'bob'), resuming('bob'));
    expect(outcome).toMatchObject({ kind: 'resumed', wasAway: false });
    expect(heldSeat(document, holder('bob', 1))).toBeUndefined();
    expect(heldSeat(document, holder('bob', 2))?.id).toBe('bob');
  });

  const rejections: [string, SessionDocument, AnyRule][] = [
    ['with a wrong token', away, resuming('bob', { tokenHash: 'wrong' })],
    ['of an unknown seat', away, resuming('zoe')],
    ['of a seat that left', after(away, timeOutSeat('bob', 0)), resuming('bob')],
    ['of a seat that was kicked', after(away, kickParticipant(holder('ann'), 'bob')), resuming('bob')],
    ['of a seat without user by a user', away, resuming('bob', { userId: 'u1' })],
    ['of a user by another', withUser(away, 'bob', 'u1'), resuming('bob', { userId: 'u2' })],
    ['of a user by nobody', withUser(away, 'bob', 'u1'), resuming('bob')],
  ];
  it.each(rejections)('is rejected: %s', (_name, session, rule) => {
    expect(rule(session, context())).toEqual({ kind: 'keep', outcome: { kind: 'rejected' } });
  });

  it('of a user succeeds by that user', () => {
    const rule = resuming('bob', { userId: 'u1' });
    expect(changed(withUser(away, 'bob', 'u1'), rule).outcome.kind).toBe('resumed');
  });

  it('of a closed session is for reading, within the retry horizon', () => {
    const closed = after(away, closeByHost(holder('ann')));
    const rule = resuming('bob');
    const inTime = rule(closed, context({ now: NOW + HORIZON_MS - 1 }));
    expect(inTime).toMatchObject({ kind: 'keep', outcome: { kind: 'reading', seat: { id: 'bob', generation: 1 } } });
    expect(rule(closed, context({ now: NOW + HORIZON_MS })).outcome).toEqual({ kind: 'rejected' });
    expect(resuming('bob', { tokenHash: 'wrong' })(closed, context()).outcome).toEqual({ kind: 'rejected' });
  });
});

describe('a lost connection', () => {
  it('makes its participant away and needs no commit', () => {
    const { document, outcome, lasting } = changed(room(2, 'bob'), dropConnection(holder('bob')), { now: NOW + 9 });
    expect(outcome).toEqual({ kind: 'away' });
    expect(findSeat(document, 'bob')).toMatchObject({ presence: 'away', awaySince: NOW + 9, instance: null });
    expect(lasting).toBe(false);
  });

  const resumed = after(room(2, 'bob'), resuming('bob'));
  const stale: [string, SessionDocument, SeatHolder][] = [
    ['that was replaced', resumed, holder('bob', 1)],
    ['that was lost before', after(room(2, 'bob'), dropConnection(holder('bob'))), holder('bob')],
    ['of a seat that left', after(room(2, 'bob'), leaveSession(holder('bob'))), holder('bob')],
    ['of a closed session', after(room(2, 'bob'), closeByHost(holder('ann'))), holder('bob')],
  ];
  it.each(stale)('changes nothing when it is one %s', (_name, session, who) => {
    expect(dropConnection(who)(session, context())).toEqual({ kind: 'keep', outcome: { kind: 'stale' } });
  });
});

describe('a leave', () => {
  it('frees the seat of a guest and keeps the host', () => {
    const { document, outcome, ended } = changed(room(3, 'bob', 'cem'), leaveSession(holder('bob')), { now: NOW + 3 });
    expect(outcome).toMatchObject({ kind: 'left', newHost: null, closed: null });
    expect(document.seats.map(({ id }) => id)).toEqual(['ann', 'cem']);
    expect(ended).toMatchObject([{ seat: { id: 'bob' }, reason: 'left', at: NOW + 3 }]);
  });

  it('of the host makes the earliest guest host, also one that is away', () => {
    const session = after(room(3, 'bob', 'cem'), dropConnection(holder('bob')));
    const { document, outcome } = changed(session, leaveSession(holder('ann')));
    expect(outcome).toMatchObject({ kind: 'left', newHost: { id: 'bob', role: 'host' } });
    expect(document.seats.map(({ id, role }) => [id, role])).toEqual([
      ['bob', 'host'],
      ['cem', 'guest'],
    ]);
    expect(document.closed).toBeNull();
  });

  it('of the last participant closes the session as empty', () => {
    const { document, outcome } = changed(newSession(), leaveSession(holder('ann')));
    expect(outcome).toMatchObject({ kind: 'left', closed: 'empty' });
    expect(document).toMatchObject({ seats: [], closed: { reason: 'empty', at: NOW } });
    expect(statusOf(document)).toBe('closed');
  });

  it('brings the code back that was hidden while the session was full', () => {
    const full = room(2, 'bob');
    expect(isFull(full)).toBe(true);
    expect(shownCode(full, NOW)).toBeNull();
    expect(shownCode(after(full, leaveSession(holder('bob'))), NOW)).toEqual(CODE);
  });

  it('is refused to a connection that does not hold the seat, and in a closed session', () => {
    const session = room(2, 'bob');
    expect(kindOf(leaveSession(holder('bob', 2)), session)).toBe('not_seated');
    expect(kindOf(leaveSession(holder('zoe')), session)).toBe('not_seated');
    expect(kindOf(leaveSession(holder('bob')), after(session, closeByHost(holder('ann'))))).toBe('session_closed');
  });
});

describe('the end of a grace', () => {
  const away = after(room(2, 'bob'), dropConnection(holder('bob')));
  const rule = timeOutSeat('bob', 1000);

  it('frees the seat', () => {
    const { document, ended } = changed(away, rule, { now: NOW + 1000 });
    expect(document.seats.map(({ id }) => id)).toEqual(['ann']);
    expect(ended).toMatchObject([{ seat: { id: 'bob' }, reason: 'timeout', at: NOW + 1000 }]);
  });

  it('of the host makes the earliest guest host', () => {
    const session = after(room(2, 'bob'), dropConnection(holder('ann')));
    const { document } = changed(session, timeOutSeat('ann', 1000), { now: NOW + 1000 });
    expect(document.seats).toMatchObject([{ id: 'bob', role: 'host' }]);
  });

  it('of everybody closes the session as empty', () => {
    const session = after(newSession(), dropConnection(holder('ann')));
    expect(changed(session, timeOutSeat('ann', 0)).document.closed).toEqual({ reason: 'empty', at: NOW });
  });

  it('is decided again on the session as it is then', () => {
    expect(kindOf(rule, away, NOW + 999)).toBe('not_seated');
    expect(kindOf(rule, after(away, resuming('bob')), NOW + 5000)).toBe('not_seated');
    expect(kindOf(rule, after(away, closeByHost(holder('ann'))), NOW + 5000)).toBe('not_seated');
    expect(kindOf(timeOutSeat('zoe', 0), away)).toBe('not_seated');
  });
});

describe('what only the host may do', () => {
  const session = room(3, 'bob', 'cem');
  const rules: [string, (who: SeatHolder) => AnyRule][] = [
    ['kick', (who) => kickParticipant(who, 'cem')],
    ['lock', (who) => lockSession(who, true)],
    ['reopen', (who) => reopenSession(who, { value: 'XYZ789', expiresAt: NOW + 1 })],
    ['close', (who) => closeByHost(who)],
  ];
  it.each(rules)('%s is refused to all others', (_name, ruleOf) => {
    const kinds = [holder('bob'), holder('ann', 2), holder('zoe')].map((who) => kindOf(ruleOf(who), session));
    expect(kinds).toEqual(['not_host', 'not_seated', 'not_seated']);
    const closed = after(session, closeByHost(holder('ann')));
    expect(kindOf(ruleOf(holder('ann')), closed)).toBe('session_closed');
  });

  it.each(rules)('%s passes to the guest who became host', (_name, ruleOf) => {
    const [bob, free] = [after(session, leaveSession(holder('ann'))), after(session, leaveSession(holder('ann')))];
    expect(['kicked', 'locked', 'reopened', 'closed']).toContain(kindOf(ruleOf(holder('bob')), bob));
    expect(kindOf(ruleOf(holder('cem')), free)).toBe('not_host');
  });

  it('kick ends the seat and kills the code for good', () => {
    const { document, outcome, ended } = changed(session, kickParticipant(holder('ann'), 'bob'));
    expect(outcome).toMatchObject({ kind: 'kicked', seat: { id: 'bob' } });
    expect(document.code).toBeNull();
    expect(document.seats.map(({ id }) => id)).toEqual(['ann', 'cem']);
    expect(ended).toMatchObject([{ seat: { id: 'bob' }, reason: 'kicked', at: NOW }]);
    expect(kindOf(joining('bob'), document)).toBe('code_dead');
  });

  it('kick of oneself or of nobody changes nothing', () => {
    expect(kindOf(kickParticipant(holder('ann'), 'ann'), session)).toBe('own_seat');
    expect(kindOf(kickParticipant(holder('ann'), 'zoe'), session)).toBe('no_such_participant');
  });

  it('lock hides the code, and its opening brings it back', () => {
    const locked = changed(newSession(), lockSession(holder('ann'), true));
    expect(locked.outcome).toEqual({ kind: 'locked', changed: true });
    expect(shownCode(locked.document, NOW)).toBeNull();
    expect(lockSession(holder('ann'), true)(locked.document, context())).toEqual({
      kind: 'keep',
      outcome: { kind: 'locked', changed: false },
    });
    expect(shownCode(after(locked.document, lockSession(holder('ann'), false)), NOW)).toEqual(CODE);
  });

  it('reopen replaces the code, also one that was killed', () => {
    const code = { value: 'XYZ789', expiresAt: NOW + 900_000 };
    const rule = reopenSession(holder('ann'), code);
    const killed = after(room(2, 'bob'), kickParticipant(holder('ann'), 'bob'));
    for (const given of [newSession(), killed]) {
      const { document } = changed(given, rule);
      expect(shownCode(document, NOW)).toEqual(code);
      expect(kindOf(joining('cem'), document)).toBe('code_dead');
      expect(kindOf(joining('cem', 'XYZ789'), document)).toBe('joined');
    }
    expect(kindOf(rule, room(2, 'bob'))).toBe('session_full');
    expect(kindOf(rule, after(newSession(), lockSession(holder('ann'), true)))).toBe('session_locked');
  });

  it('close keeps the seats for reading, and shows no code', () => {
    const { document, outcome, ended } = changed(session, closeByHost(holder('ann')));
    expect(outcome).toEqual({ kind: 'closed' });
    expect(document).toMatchObject({ closed: { reason: 'closed', at: NOW }, code: CODE });
    expect(document.seats).toHaveLength(3);
    expect(ended).toEqual([]);
    expect(shownCode(document, NOW)).toBeNull();
    expect(closeSession(session, 'idle', NOW)).toMatchObject({ document: { closed: { reason: 'idle' } } });
  });
});

describe('a code', () => {
  it('is shown until it is over', () => {
    expect(shownCode(newSession(), CODE.expiresAt - 1)).toEqual(CODE);
    expect(shownCode(newSession(), CODE.expiresAt)).toBeNull();
    expect(shownCode({ ...newSession(), code: null }, NOW)).toBeNull();
  });
});

describe('any sequence of operations', () => {
  const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

  it(`keeps the rules (TEST_SEED=${seed})`, () => {
    const random = randomFrom(seed);
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
function wander(random: () => number, outcomes: Set<string>): void {
  const pick = <T>(items: readonly T[], otherwise: T): T => items[Math.floor(random() * items.length)] ?? otherwise;
  let now = NOW;
  let serial = 0;
  const capacity = 2 + Math.floor(random() * 4);
  let session = frozen(openSession(newSessionInput(capacity), { ...newcomer('seat 0'), keyHash: 'key 0' }));
  /** Seats in the order in which they were taken, with the highest generation seen; ended ones never come back. */
  const generations = new Map([['seat 0', 1]]);
  const ended = new Set<string>();
  for (let step = 0; step < 60; step += 1) {
    now += Math.floor(random() * random() * 200_000);
    const seatId = pick([...generations.keys()], 'seat 0');
    const generation = (generations.get(seatId) ?? 1) - (random() < 0.1 ? 1 : 0);
    const who = random() < 0.5 ? { seatId, generation } : hostOf(session);
    const target = random() < 0.1 ? 'nobody' : pick([...generations.keys()], 'seat 0');
    const code = random() < 0.9 ? (session.code?.value ?? 'KILLED') : 'WRONG2';
    const key = `key ${Math.floor(random() * (serial + 2))}`;
    // As the service does, every attempt brings a new token.
    const tokenHash = `token ${step}`;
    const fresh = { ...newcomer(`seat ${serial + 1}`), tokenHash, keyHash: random() < 0.3 ? key : null };
    const token = random() < 0.9 ? { tokenHash: findSeat(session, seatId)?.tokenHash ?? '' } : { tokenHash: 'wrong' };
    const rules: (() => AnyRule)[] = [
      ...Array<() => AnyRule>(4).fill(() => joinSession(code, fresh, HORIZON_MS)),
      () => retakeSeat({ ...newcomer('nobody'), tokenHash, keyHash: key }, HORIZON_MS),
      ...Array<() => AnyRule>(3).fill(() => resuming(seatId, token)),
      ...Array<() => AnyRule>(3).fill(() => dropConnection({ seatId, generation })),
      () => (random() < 0.5 ? leaveSession({ seatId, generation }) : timeOutSeat(seatId, TIMINGS.graceMs)),
      () => timeOutSeat(seatId, TIMINGS.graceMs),
      () => kickParticipant(who, target),
      () => lockSession(who, random() < 0.3),
      () => reopenSession(who, { value: `CODE${step}`, expiresAt: now + 900_000 }),
      () => (random() < 0.2 ? closeByHost(who) : closeWhenDue(TIMINGS)),
    ];
    const rule = pick(rules, () => leaveSession(who))();
    const before = session;
    const ruleContext = { now, lastSeq: step, lastActivityAt: now - Math.floor(random() ** 4 * 2_400_000) };
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

type Change<O> = Decision<O> & { readonly kind: 'change' };

function hostOf({ seats }: SessionDocument): SeatHolder {
  const host = seats.find(({ role }) => role === 'host');
  return { seatId: host?.id ?? 'seat 0', generation: host?.generation ?? 1 };
}

function newSessionInput(capacity: number): Parameters<typeof openSession>[0] {
  return { id: 'session', now: NOW, capacity, approval: false, shareHistory: false, metadata: {}, code: CODE };
}

function newSession(capacity = 2): SessionDocument {
  return frozen(openSession(newSessionInput(capacity), newcomer('ann')));
}

/** A session of `ann`, joined by others. */
function room(capacity: number, ...guests: string[]): SessionDocument {
  return guests.reduce((session, guest) => after(session, joining(guest)), newSession(capacity));
}

function newcomer(id: string): NewSeat {
  return { id, name: id, userId: null, tokenHash: `token of ${id}`, keyHash: null, instance: 'here' };
}

function joining(id: string, code = CODE.value) {
  return joinSession(code, newcomer(id), HORIZON_MS);
}

function resuming(seatId: string, { tokenHash = `token of ${seatId}`, userId = null as string | null } = {}) {
  return resumeSeat({ seatId, tokenHash, userId, instance: 'there' }, HORIZON_MS);
}

function withUser(session: SessionDocument, seatId: string, userId: string): SessionDocument {
  const seats = session.seats.map((seat): Seat => (seat.id === seatId ? { ...seat, userId } : seat));
  return { ...session, seats };
}

function holder(seatId: string, generation = 1): SeatHolder {
  return { seatId, generation };
}

function context({ now = NOW, lastSeq = 0, lastActivityAt = NOW }: Partial<RuleContext> = {}): RuleContext {
  return { now, lastSeq, lastActivityAt };
}

/** The decision of a rule that must change the session. */
function changed<O>(session: SessionDocument, rule: Rule<O>, given?: Partial<RuleContext>): Change<O> {
  const decision = rule(session, context(given));
  if (decision.kind !== 'change') throw new Error(`expected a change, received ${JSON.stringify(decision)}`);
  return { ...decision, document: frozen(decision.document) };
}

function after(session: SessionDocument, rule: AnyRule): SessionDocument {
  return changed(session, rule).document;
}

function kindOf(rule: AnyRule, session: SessionDocument, now = NOW): string {
  return rule(session, context({ now })).outcome.kind;
}

/** A rule that changes what it was given would throw. */
function frozen(session: SessionDocument): SessionDocument {
  session.seats.forEach((seat) => Object.freeze(seat));
  Object.freeze(session.seats);
  return Object.freeze(session);
}

/** Mulberry32: small, seeded, good enough to wander. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
