import { describe, expect, it } from '@jest/globals';
import {
  after,
  changed,
  CODE,
  context,
  frozen,
  holder,
  HORIZON_MS,
  kindOf,
  newcomer,
  newSessionInput,
  NOW,
} from '../../test/support/session-document.ts';
import { releaseSeats } from './instance-seats.ts';
import { answerKnock, enterSession, KNOCK_WAIT_MS, lookAtKnock, waitingKnocks, withdrawKnock } from './knocks.ts';
import { closeByHost, leaveSession, lockSession, openSession, type NewSeat, type SessionDocument } from './session.ts';

const HOST = holder('ann');

function session(capacity = 2): SessionDocument {
  return frozen(openSession({ ...newSessionInput(capacity), approval: true }, newcomer('ann')));
}

function knocking(id: string, own: Partial<NewSeat> = {}, code = CODE.value) {
  return enterSession(code, { ...newcomer(id), ...own }, '192.0.2.x', HORIZON_MS);
}

function joiner(id: string, tokenHash = `token of ${id}`) {
  return { knockId: id, tokenHash, instance: 'here' };
}

const waitingIds = (document: SessionDocument, now = NOW) => waitingKnocks(document, now).map((k) => k.newcomer.id);

describe('a knock', () => {
  it('holds no seat, and needs no commit', () => {
    const { document, outcome, lasting } = changed(session(), knocking('bob'));
    expect(outcome).toMatchObject({
      kind: 'knocked',
      replaced: null,
      knock: { ip: '192.0.2.x', at: NOW, answer: null },
    });
    expect(lasting).toBe(false);
    expect(document.seats).toHaveLength(1);
    expect(waitingIds(document)).toEqual(['bob']);
  });

  it('is a join where nobody has to approve', () => {
    expect(kindOf(knocking('bob'), { ...session(), approval: false })).toBe('joined');
  });

  it('is refused for the reasons for which a join is', () => {
    const locked = after(session(), lockSession(HOST, true));
    const full = { ...session(), capacity: 1 };
    const closed = after(session(), closeByHost(HOST));
    expect(kindOf(knocking('bob'), locked)).toBe('session_locked');
    expect(kindOf(knocking('bob'), full)).toBe('session_full');
    expect(kindOf(knocking('bob'), closed)).toBe('session_closed');
    expect(kindOf(knocking('bob', {}, 'WRONG2'), session())).toBe('code_dead');
    expect(kindOf(knocking('bob'), session(), CODE.expiresAt)).toBe('code_dead');
  });

  it('finds room for ten; answered, withdrawn and overdue ones take none', () => {
    let room = session(20);
    for (let count = 0; count < 10; count += 1) room = after(room, knocking(`guest ${count}`));
    expect(kindOf(knocking('bob'), room)).toBe('too_many_knocks');
    expect(kindOf(knocking('bob'), after(room, answerKnock(HOST, 'guest 3', false)))).toBe('knocked');
    expect(kindOf(knocking('bob'), after(room, withdrawKnock(joiner('guest 3'))))).toBe('knocked');
    expect(kindOf(knocking('bob'), room, NOW + KNOCK_WAIT_MS - 1)).toBe('too_many_knocks');
    expect(kindOf(knocking('bob'), room, NOW + KNOCK_WAIT_MS)).toBe('knocked');
  });

  it('repeated with its key is the same knock, of the later connection, with its time begun anew', () => {
    const key = { keyHash: 'key of bob' };
    const first = after(session(), knocking('bob', key));
    const now = NOW + 40_000;
    const again = changed(first, knocking('bob 2', { ...key, instance: 'there' }), { now });
    expect(again.outcome).toMatchObject({
      kind: 'knocked',
      knock: { newcomer: { id: 'bob', tokenHash: 'token of bob 2', instance: 'there' }, at: now },
      replaced: { newcomer: { tokenHash: 'token of bob' } },
    });
    expect(waitingIds(again.document, NOW + 90_000)).toEqual(['bob']);
    expect(kindOf(lookAtKnock(joiner('bob')), again.document)).toBe('moved');
    expect(kindOf(withdrawKnock(joiner('bob')), again.document)).toBe('moved');
    expect(kindOf(lookAtKnock(joiner('bob', 'token of bob 2')), again.document)).toBe('waiting');
  });

  it('repeated with its key after a lost answer gets that answer', () => {
    const key = { keyHash: 'key of bob' };
    const knocked = after(session(), knocking('bob', key));
    const denied = after(knocked, answerKnock(HOST, 'bob', false));
    expect(kindOf(knocking('bob 2', key), denied)).toBe('denied');
    expect(kindOf(knocking('bob 2', { keyHash: 'another' }), denied)).toBe('knocked');
    const admitted = after(knocked, answerKnock(HOST, 'bob', true));
    expect(changed(admitted, knocking('bob 2', key)).outcome).toMatchObject({ kind: 'retaken', seat: { id: 'bob' } });
  });

  it('is forgotten some time after it is over', () => {
    const room = after(after(session(3), knocking('bob')), answerKnock(HOST, 'bob', false));
    const { document } = changed(room, knocking('cat'), { now: NOW + 2 * KNOCK_WAIT_MS });
    expect(document.knocks?.map(({ newcomer: { id } }) => id)).toEqual(['cat']);
    const empty = changed(document, withdrawKnock(joiner('cat')), { now: NOW + 2 * KNOCK_WAIT_MS }).document;
    expect('knocks' in empty).toBe(false);
  });

  it('leaves few traces of many that were answered', () => {
    let room = session(3);
    for (let count = 0; count < 100; count += 1) {
      room = after(after(room, knocking(`guest ${count}`)), answerKnock(HOST, `guest ${count}`, false));
    }
    expect(room.knocks?.length).toBeLessThanOrEqual(20);
    expect(kindOf(lookAtKnock(joiner('guest 99')), room)).toBe('denied');
  });
});

describe('an instance that died', () => {
  it('takes along who waited there, and nobody else', () => {
    const elsewhere = after(session(4), knocking('bob', { instance: 'there' }));
    const both = after(elsewhere, knocking('cat'));
    const room = after(after(both, knocking('dan', { instance: 'there' })), answerKnock(HOST, 'dan', false));
    const { document, outcome, lasting } = changed(room, releaseSeats('there'));
    expect(outcome).toEqual({ kind: 'released', seatIds: [] });
    expect(lasting).toBe(false);
    expect(waitingIds(document)).toEqual(['cat']);
    expect(kindOf(answerKnock(HOST, 'bob', true), document)).toBe('unknown_knock');
    // Its joiner repeats the join elsewhere, and gets the answer that it earned.
    expect(kindOf(lookAtKnock(joiner('dan')), document)).toBe('denied');
    expect(kindOf(lookAtKnock(joiner('bob')), document)).toBe('gone');
    expect(kindOf(releaseSeats('there'), document)).toBe('stale');
    expect(kindOf(releaseSeats('there'), after(room, closeByHost(HOST)))).toBe('stale');
  });

  it('takes nobody along who repeated the join on another', () => {
    const key = { keyHash: 'key of bob' };
    const moved = after(after(session(), knocking('bob', { ...key, instance: 'there' })), knocking('bob 2', key));
    expect(kindOf(releaseSeats('there'), moved)).toBe('stale');
    expect(waitingIds(moved)).toEqual(['bob']);
  });
});

describe('the answer', () => {
  it('that admits gives the seat, in one lasting change', () => {
    const room = after(session(), knocking('bob'));
    const { document, outcome, lasting } = changed(room, answerKnock(HOST, 'bob', true), { lastSeq: 7 });
    expect(lasting).toBe(true);
    expect(outcome).toMatchObject({ kind: 'admitted', joined: { paired: true, isFirst: true } });
    expect(document.everPaired).toBe(true);
    expect(document.seats[1]).toMatchObject({
      id: 'bob',
      role: 'guest',
      joinedSeq: 7,
      generation: 1,
      presence: 'online',
    });
    const looked = lookAtKnock(joiner('bob'))(document, context()).outcome;
    expect(looked).toMatchObject({ kind: 'admitted', paired: true, wasAway: false });
  });

  it('that admits a third pairs nobody', () => {
    const room = after(after(session(3), knocking('bob')), answerKnock(HOST, 'bob', true));
    const both = after(after(room, knocking('cat')), answerKnock(HOST, 'cat', true));
    expect(lookAtKnock(joiner('cat'))(both, context()).outcome).toMatchObject({ kind: 'admitted', paired: false });
  });

  it('is the same when it is repeated, and cannot be taken back', () => {
    const room = after(after(session(3), knocking('bob')), knocking('cat'));
    const admitted = after(room, answerKnock(HOST, 'bob', true));
    expect(kindOf(answerKnock(HOST, 'bob', true), admitted)).toBe('repeated');
    expect(kindOf(answerKnock(HOST, 'bob', false), admitted)).toBe('unknown_knock');
    const denied = after(room, answerKnock(HOST, 'cat', false));
    expect(kindOf(answerKnock(HOST, 'cat', false), denied)).toBe('repeated');
    expect(kindOf(answerKnock(HOST, 'cat', true), denied)).toBe('unknown_knock');
  });

  it('to a knock that is over, withdrawn or nobody’s reaches nobody', () => {
    const room = after(session(), knocking('bob'));
    expect(kindOf(answerKnock(HOST, 'nobody', true), room)).toBe('unknown_knock');
    expect(kindOf(answerKnock(HOST, 'bob', true), room, NOW + KNOCK_WAIT_MS - 1)).toBe('admitted');
    expect(kindOf(answerKnock(HOST, 'bob', true), room, NOW + KNOCK_WAIT_MS)).toBe('unknown_knock');
    expect(kindOf(answerKnock(HOST, 'bob', true), after(room, withdrawKnock(joiner('bob'))))).toBe('unknown_knock');
  });

  it('that finds no seat is told to the joiner', () => {
    const room = after(after(session(), knocking('bob')), knocking('cat'));
    const full = after(room, answerKnock(HOST, 'bob', true));
    const { document, outcome, lasting } = changed(full, answerKnock(HOST, 'cat', true));
    expect([outcome.kind, lasting]).toEqual(['session_full', false]);
    expect(kindOf(lookAtKnock(joiner('cat')), document)).toBe('session_full');
    expect(kindOf(answerKnock(HOST, 'cat', false), full)).toBe('denied');
  });

  it('admits nobody to a locked session, and may turn away from it', () => {
    const locked = after(after(session(), knocking('bob')), lockSession(HOST, true));
    expect(kindOf(answerKnock(HOST, 'bob', true), locked)).toBe('session_locked');
    expect(kindOf(lookAtKnock(joiner('bob')), locked)).toBe('waiting');
    expect(kindOf(answerKnock(HOST, 'bob', false), locked)).toBe('denied');
  });

  it('is the host’s, of the connection that holds its seat', () => {
    const room = after(after(session(3), knocking('bob')), answerKnock(HOST, 'bob', true));
    const asked = after(room, knocking('cat'));
    expect(kindOf(answerKnock(holder('bob'), 'cat', true), asked)).toBe('not_host');
    expect(kindOf(answerKnock(holder('ann', 2), 'cat', true), asked)).toBe('not_seated');
    expect(kindOf(answerKnock(HOST, 'cat', true), after(asked, closeByHost(HOST)))).toBe('session_closed');
    expect(kindOf(answerKnock(holder('bob'), 'cat', true), after(asked, leaveSession(HOST)))).toBe('admitted');
  });
});

describe('the joiner', () => {
  const room = after(session(), knocking('bob'));

  it('learns how its knock stands', () => {
    expect(kindOf(lookAtKnock(joiner('bob')), room)).toBe('waiting');
    expect(kindOf(lookAtKnock(joiner('bob')), room, NOW + KNOCK_WAIT_MS)).toBe('overdue');
    expect(kindOf(lookAtKnock(joiner('bob')), session())).toBe('gone');
    expect(kindOf(lookAtKnock(joiner('bob')), after(room, closeByHost(HOST)))).toBe('session_closed');
    const admitted = after(room, answerKnock(HOST, 'bob', true));
    expect(kindOf(lookAtKnock(joiner('bob')), after(admitted, leaveSession(holder('bob'))))).toBe('gone');
  });

  it('takes its seat from being away, when it was believed gone', () => {
    const admitted = after(room, answerKnock(HOST, 'bob', true));
    const seats = admitted.seats.map((seat) =>
      seat.id === 'bob' ? { ...seat, presence: 'away' as const, awaySince: NOW, instance: null } : seat,
    );
    const { document, outcome } = changed({ ...admitted, seats }, lookAtKnock(joiner('bob')));
    expect(outcome).toMatchObject({ kind: 'admitted', wasAway: true, seat: { generation: 2, instance: 'here' } });
    expect(document.seats[1]).toMatchObject({ presence: 'online', awaySince: null });
  });

  it('withdraws what was not answered', () => {
    expect(waitingIds(after(room, withdrawKnock(joiner('bob'))))).toEqual([]);
    const admitted = after(room, answerKnock(HOST, 'bob', true));
    expect(kindOf(withdrawKnock(joiner('bob')), admitted)).toBe('admitted');
    expect(kindOf(withdrawKnock(joiner('bob')), after(room, answerKnock(HOST, 'bob', false)))).toBe('denied');
  });
});
