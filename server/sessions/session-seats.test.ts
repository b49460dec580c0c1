import { describe, expect, it } from '@jest/globals';
import {
  CODE,
  HORIZON_MS,
  NOW,
  after,
  changed,
  context,
  holder,
  joining,
  kindOf,
  newSession,
  newcomer,
  resuming,
  room,
  withUser,
} from '../../test/support/session-document.ts';
import type { AnyRule } from '../../test/support/session-document.ts';
import {
  closeByHost,
  dropConnection,
  findSeat,
  heldSeat,
  isFull,
  joinSession,
  kickParticipant,
  leaveSession,
  lockSession,
  retakeSeat,
  shownCode,
  statusOf,
  timeOutSeat,
} from './session.ts';
import type { SeatHolder, SessionDocument } from './session.ts';

describe('a join', () => {
  it('takes the next seat as a guest, from the head of the session on', () => {
    const { document, outcome } = changed(newSession(), joining('bob'), { lastSeq: 7, now: NOW + 5 });
    expect(outcome).toMatchObject({ kind: 'joined', paired: true, isFirst: true });
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
    expect(changed(alone, joining('cem')).outcome).toMatchObject({ kind: 'joined', paired: true, isFirst: false });
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
    ['of a user by another', withUser(away, 'bob', 'u1'), resuming('bob', { userId: 'u2' })],
    ['of a user by nobody', withUser(away, 'bob', 'u1'), resuming('bob')],
  ];
  it.each(rejections)('is rejected: %s', (_name, session, rule) => {
    expect(rule(session, context())).toEqual({ kind: 'keep', outcome: { kind: 'rejected' } });
  });

  it('of a guest succeeds by whoever has the token, also who has signed in since', () => {
    expect(changed(away, resuming('bob', { userId: 'u1' })).outcome).toMatchObject({ kind: 'resumed' });
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
