import { describe, expect, it } from '@jest/globals';
import { after, changed, context, frozen, holder, joining, NOW, room } from '../../test/support/session-document.ts';
import { reassertSeat, releaseSeats } from './instance-seats.ts';
import {
  closeSession,
  dropConnection,
  findSeat,
  GENERATIONS_OF_EPOCH,
  heldBy,
  withSeat,
  type SessionDocument,
} from './session.ts';

const at = (session: SessionDocument, seatId: string) => {
  const seat = findSeat(session, seatId);
  if (seat === undefined) throw new Error(`there is no ${seatId}`);
  return seat;
};

/** `bob` is at another instance than `ann` and `cid`. */
const spread = () => {
  const session = room(5, 'bob', 'cid');
  return frozen(withSeat(session, { ...at(session, 'bob'), instance: 'there' }));
};

const closed = (session: SessionDocument) => {
  const decision = closeSession(session, 'closed', NOW);
  if (decision.kind !== 'change') throw new Error('a close changes');
  return frozen(decision.document);
};

describe('an instance that died', () => {
  it('leaves the seats that it held away, and no others', () => {
    const { document, outcome, lasting } = changed(spread(), releaseSeats('here'), { now: NOW + 5 });
    expect(outcome).toEqual({ kind: 'released', seatIds: ['ann', 'cid'] });
    expect(lasting).toBe(false);
    for (const seatId of ['ann', 'cid']) {
      expect(at(document, seatId)).toMatchObject({
        presence: 'away',
        awaySince: NOW + 5,
        instance: null,
        generation: 1,
      });
    }
    expect(at(document, 'bob')).toEqual(at(spread(), 'bob'));
  });

  it('changes nothing where it held nothing, or the session is closed', () => {
    const away = after(spread(), dropConnection(holder('bob')));
    for (const [session, instance] of [
      [spread(), 'nowhere'],
      [away, 'there'],
      [closed(spread()), 'here'],
    ] as const) {
      expect(releaseSeats(instance)(session, context())).toEqual({ kind: 'keep', outcome: { kind: 'stale' } });
    }
  });
});

describe('an instance that comes back', () => {
  const released = () => after(spread(), releaseSeats('here'));

  it('holds again what it held, under the same generation', () => {
    const { document, outcome } = changed(released(), reassertSeat(holder('ann'), 'here'));
    expect(outcome).toEqual({ kind: 'back' });
    expect(document.seats[0]).toEqual(at(spread(), 'ann'));
  });

  it('gives way to a later connection', () => {
    const resumed = frozen(withSeat(released(), heldBy(at(released(), 'ann'), 'there')));
    const decision = reassertSeat(holder('ann'), 'here')(resumed, context());
    expect(decision).toEqual({ kind: 'keep', outcome: { kind: 'replaced', generation: 2 } });
  });

  it('hears that an epoch ended where nobody has come back for the seat, and that it was replaced where somebody has', () => {
    const away = released();
    const rebuilt = frozen(withSeat(away, { ...at(away, 'ann'), generation: 2 * GENERATIONS_OF_EPOCH }));
    const decide = (session: SessionDocument) => reassertSeat(holder('ann'), 'here')(session, context());
    expect(decide(rebuilt)).toEqual({ kind: 'keep', outcome: { kind: 'epoch_ended' } });
    const resumed = frozen(withSeat(rebuilt, heldBy(at(rebuilt, 'ann'), 'there')));
    const generation = 2 * GENERATIONS_OF_EPOCH + 1;
    expect(decide(resumed)).toEqual({ kind: 'keep', outcome: { kind: 'replaced', generation } });
    // Within one epoch the first was replaced, although the second has gone.
    const later = frozen(withSeat(away, { ...at(away, 'ann'), generation: 2 }));
    expect(decide(later)).toEqual({ kind: 'keep', outcome: { kind: 'replaced', generation: 2 } });
  });

  it('hears that its seat is gone', () => {
    const decision = reassertSeat(holder('dan'), 'here')(released(), context());
    expect(decision).toEqual({ kind: 'keep', outcome: { kind: 'gone' } });
  });

  it('changes nothing where nobody missed it, or the session is closed', () => {
    for (const session of [spread(), closed(released())]) {
      const decision = reassertSeat(holder('ann'), 'here')(session, context());
      expect(decision).toEqual({ kind: 'keep', outcome: { kind: 'held' } });
    }
  });

  it('neither loses nor doubles a seat that was taken meanwhile', () => {
    const joined = after(released(), joining('dan'));
    const { document } = changed(joined, reassertSeat(holder('ann'), 'here'));
    expect(document.seats.map(({ id }) => id)).toEqual(['ann', 'bob', 'cid', 'dan']);
  });
});
