/** What backends do to sessions, in which they hold no seat, and what a kick does to a user. */
import { describe, expect, it } from '@jest/globals';
import {
  after,
  changed,
  CODE,
  context,
  HORIZON_MS,
  holder,
  joining,
  kindOf,
  newcomer,
  newSessionInput,
  NOW,
  room,
  withUser,
} from '../../test/support/session-document.ts';
import { closeWhenDue } from './deadlines.ts';
import { answerKnock, enterSession, lookAtKnock, waitingKnocks, withdrawKnock } from './knocks.ts';
import {
  closeByHost,
  closeByOperator,
  isKicked,
  joinSession,
  kickParticipant,
  openSession,
  removeParticipant,
  reopenSession,
  statusOf,
  type SessionDocument,
} from './session.ts';

const open = (own: Partial<Parameters<typeof openSession>[0]> = {}) =>
  openSession({ ...newSessionInput(3), ...own }, null);

describe('a session without a host', () => {
  it('waits, and makes the first who comes its host, whom nobody could let in', () => {
    expect(statusOf(open())).toBe('waiting');
    const enter = (id: string) => enterSession(CODE.value, newcomer(id), '10.0.0.0', HORIZON_MS);
    const { document, outcome } = changed(open({ approval: true }), enter('ann'));
    expect(outcome).toMatchObject({ kind: 'joined', paired: false, seat: { role: 'host' } });
    expect(changed(document, enter('bob')).outcome.kind).toBe('knocked');
  });

  it('expires with its code when nobody comes', () => {
    const timings = { graceMs: 600_000, idleWarningMs: 300_000, idleTimeoutMs: 1_800_000, ttlMs: 86_400_000 };
    expect(closeWhenDue(timings)(open(), context({ now: CODE.expiresAt - 1 })).kind).toBe('keep');
    expect(changed(open(), closeWhenDue(timings), { now: CODE.expiresAt }).document.closed).toMatchObject({
      reason: 'expired',
    });
  });
});

describe('a backend', () => {
  it('removes the host, and the earliest guest is host then', () => {
    const { document, outcome } = changed(room(3, 'bob', 'cem'), removeParticipant('ann'));
    expect(outcome).toMatchObject({ kind: 'kicked', seat: { id: 'ann' }, newHost: { id: 'bob' }, closed: null });
    expect(document).toMatchObject({
      code: null,
      seats: [
        { id: 'bob', role: 'host' },
        { id: 'cem', role: 'guest' },
      ],
    });
  });

  it('closes a session with the last participant that it removes', () => {
    const { document, outcome } = changed(room(3), removeParticipant('ann'));
    expect(outcome).toMatchObject({ kind: 'kicked', newHost: null, closed: 'empty' });
    expect(document).toMatchObject({ seats: [], closed: { reason: 'empty', at: NOW } });
  });

  it('changes nothing in a session that is closed, and removes nobody who is not there', () => {
    const closed = after(room(3, 'bob'), closeByHost(holder('ann')));
    expect(closeByOperator(closed, context())).toEqual({ kind: 'keep', outcome: { kind: 'session_closed' } });
    expect(removeParticipant('bob')(closed, context())).toEqual({ kind: 'keep', outcome: { kind: 'session_closed' } });
    const outcome = { kind: 'no_such_participant' };
    expect(removeParticipant('zoe')(room(3, 'bob'), context())).toEqual({ kind: 'keep', outcome });
  });
});

describe('a user who was kicked', () => {
  const kicked = after(withUser(room(3, 'bob'), 'bob', 'u1'), kickParticipant(holder('ann'), 'bob'));
  const reopened = after(kicked, reopenSession(holder('ann'), CODE));
  const joinAs = (userId: string | null) => joinSession(CODE.value, { ...newcomer('bob again'), userId }, HORIZON_MS);

  it('comes in by no code, whatever else is wrong with the session', () => {
    const refusal = { kind: 'keep', outcome: { kind: 'kicked' } };
    expect(joinAs('u1')(reopened, context())).toEqual(refusal);
    expect(joinAs('u1')({ ...reopened, locked: true }, context())).toEqual(refusal);
    // A code that leads nowhere tells nobody anything.
    expect(joinAs('u1')(kicked, context())).toEqual({ kind: 'keep', outcome: { kind: 'code_dead' } });
  });

  it('is nobody else', () => {
    for (const userId of ['u2', null]) expect(changed(reopened, joinAs(userId)).outcome.kind).toBe('joined');
    expect(isKicked(reopened, null)).toBe(false);
    const guest = after(room(3, 'bob'), kickParticipant(holder('ann'), 'bob'));
    expect(guest.kickedUsers).toBeUndefined();
    expect(changed(after(guest, reopenSession(holder('ann'), CODE)), joining('bob')).outcome.kind).toBe('joined');
  });

  it('goes with every seat, and with what waits at the door, but not with the seats of others', () => {
    const two = withUser(withUser(room(4, 'bob', 'bob too', 'cem'), 'bob', 'u1'), 'bob too', 'u1');
    const knocking = enterSession(CODE.value, { ...newcomer('knock'), userId: 'u1' }, '10.0.0.0', HORIZON_MS);
    const waiting = after({ ...two, approval: true, capacity: 5 }, knocking);
    const { document, outcome } = changed(waiting, kickParticipant(holder('ann'), 'bob'));
    expect(outcome).toMatchObject({ kind: 'kicked', seat: { id: 'bob' }, others: [{ id: 'bob too' }] });
    expect(document.seats.map(({ id }) => id)).toEqual(['ann', 'cem']);
    expect(document.knocks).toMatchObject([{ newcomer: { id: 'knock' }, answer: { kind: 'kicked' } }]);
    const joiner = { knockId: 'knock', tokenHash: 'token of knock', instance: 'here' };
    expect(kindOf(lookAtKnock(joiner), document)).toBe('kicked');
    expect(kindOf(withdrawKnock(joiner), document)).toBe('kicked');
    expect(waitingKnocks(document, NOW)).toEqual([]);
    expect(kindOf(answerKnock(holder('ann'), 'knock', true), document)).toBe('unknown_knock');
    // One that was asked for on another instance meanwhile.
    const late = { ...document, knocks: waiting.knocks ?? [] };
    expect(answerKnock(holder('ann'), 'knock', true)(late, context()).outcome).toEqual({ kind: 'unknown_knock' });
    expect(kindOf(lookAtKnock(joiner), late)).toBe('kicked');
    const own = withUser(withUser(room(3, 'bob'), 'ann', 'u1'), 'bob', 'u1');
    expect(kickParticipant(holder('ann'), 'bob')(own, context()).outcome).toEqual({ kind: 'own_seat' });
  });

  it('hears so when it asks again to be let in, whatever became of the code', () => {
    const knock = (id: string, keyHash: string) =>
      enterSession(CODE.value, { ...newcomer(id), userId: 'u1', keyHash }, '10.0.0.0', HORIZON_MS);
    const two = withUser({ ...room(3, 'bob'), approval: true }, 'bob', 'u1');
    const gone = after(after(two, knock('knock', 'key')), kickParticipant(holder('ann'), 'bob'));
    expect(kindOf(knock('again', 'key'), gone)).toBe('kicked');
    expect(kindOf(knock('again', 'another key'), gone)).toBe('code_dead');
    expect(kindOf(knock('again', 'another key'), after(gone, reopenSession(holder('ann'), CODE)))).toBe('kicked');
  });

  it('takes nobody along who waits as a guest, or is somebody else', () => {
    let session: SessionDocument = withUser({ ...room(5, 'bob'), approval: true }, 'bob', 'u1');
    for (const userId of ['u2', null]) {
      const other = { ...newcomer(`knock of ${userId}`), userId };
      session = after(session, enterSession(CODE.value, other, '10.0.0.0', HORIZON_MS));
    }
    const knocks = waitingKnocks(session, NOW);
    expect(knocks).toHaveLength(2);
    expect(waitingKnocks(after(session, removeParticipant('bob')), NOW)).toEqual(knocks);
  });

  it('is remembered once, and by a session that removes its users without end not for ever', () => {
    const twice = after(withUser(after(reopened, joining('cem')), 'cem', 'u1'), removeParticipant('cem'));
    expect(twice.kickedUsers).toEqual(['u1']);
    let session = reopened;
    for (let n = 0; n < 250; n += 1) {
      const joined = after({ ...session, code: CODE }, joinAs(`user-${n}`));
      session = after(joined, removeParticipant('bob again'));
    }
    expect(session.kickedUsers).toHaveLength(200);
    expect(session.kickedUsers?.at(-1)).toBe('user-249');
  });
});
