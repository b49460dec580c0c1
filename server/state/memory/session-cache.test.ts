import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerKnock, enterSession, lookAtKnock, waitingKnocks } from '../../sessions/knocks.ts';
import { lockSession, openSession, type NewSeat, type Rule, type SessionDocument } from '../../sessions/session.ts';
import { openMemoryHarness, type MemoryHarness } from './memory-harness.conformance.ts';

const MINUTE = 60_000;
const HOST = { seatId: 'ann', generation: 1 };
const JOINER = { knockId: 'bob', tokenHash: 'bob', instance: 'here' };

describe('a session that is read again after its commit failed', () => {
  let h: MemoryHarness;
  beforeEach(async () => {
    const timings = {
      graceMs: 10 * MINUTE,
      idleWarningMs: 5 * MINUTE,
      idleTimeoutMs: 30 * MINUTE,
      ttlMs: 1440 * MINUTE,
    };
    h = await openMemoryHarness({ timings, retryHorizonMs: 60 * MINUTE, hotMessages: 500 });
    await h.state.create(openDocument(), () => undefined);
    await decide(enterSession('BCD234', newcomer('bob'), '192.0.2.x', MINUTE));
  });
  afterEach(() => h.close());

  function openDocument(): SessionDocument {
    const now = h.now();
    const code = { value: 'BCD234', expiresAt: now + 15 * MINUTE };
    const input = { id: 'session', now, capacity: 2, approval: true, shareHistory: false, metadata: {}, code };
    return openSession(input, newcomer('ann'));
  }

  async function decide<O>(rule: Rule<O>): Promise<O> {
    const result = await h.state.change('session', rule);
    if (result.kind !== 'decided') throw new Error(`expected a decision, received ${result.kind}`);
    return result.outcome;
  }

  async function waitingIds(): Promise<string[]> {
    const snapshot = await h.state.read('session');
    return snapshot === null ? [] : waitingKnocks(snapshot.document, h.now()).map(({ newcomer: { id } }) => id);
  }

  it.each(['refused', 'unknown_lost'] as const)('still knows who knocks, when that was %s', async (failure) => {
    h.failNextCommit(failure);
    await expect(decide(lockSession(HOST, true))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await waitingIds()).toEqual(['bob']);
    expect(await decide(answerKnock(HOST, 'bob', true))).toMatchObject({ kind: 'admitted', joined: { paired: true } });
    expect(await decide(lookAtKnock(JOINER))).toMatchObject({ kind: 'admitted' });
  });

  it('lets whoever knocks wait for an admission that was not stored', async () => {
    h.failNextCommit('refused');
    await expect(decide(answerKnock(HOST, 'bob', true))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await decide(lookAtKnock(JOINER))).toEqual({ kind: 'waiting' });
    expect(await decide(answerKnock(HOST, 'bob', false))).toMatchObject({ kind: 'denied' });
  });

  it('takes an admission that was stored for one: told to the joiner, and the same when it is repeated', async () => {
    h.failNextCommit('unknown_stored');
    await expect(decide(answerKnock(HOST, 'bob', true))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await waitingIds()).toEqual([]);
    expect(await decide(lookAtKnock(JOINER))).toMatchObject({ kind: 'admitted', paired: true });
    expect(await decide(answerKnock(HOST, 'bob', true))).toEqual({ kind: 'repeated' });
  });
});

function newcomer(id: string): NewSeat {
  return { id, name: id, userId: null, tokenHash: id, keyHash: null, instance: 'here' };
}
