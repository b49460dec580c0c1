import { describe, expect, it } from '@jest/globals';
import {
  CODE,
  NOW,
  after,
  changed,
  context,
  holder,
  joining,
  kindOf,
  newSession,
  newSessionInput,
  newcomer,
  room,
} from '../../test/support/session-document.ts';
import type { AnyRule } from '../../test/support/session-document.ts';
import {
  closeByHost,
  closeSession,
  kickParticipant,
  leaveSession,
  lockSession,
  openSession,
  reopenSession,
  shownCode,
  statusOf,
} from './session.ts';
import type { SeatHolder } from './session.ts';

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
