import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerKnock, enterSession, lookAtKnock, waitingKnocks } from '../../sessions/knocks.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { AppendRequest } from '../../sessions/ports.ts';
import {
  kickParticipant,
  lockSession,
  openSession,
  type NewSeat,
  type Rule,
  type SessionDocument,
} from '../../sessions/session.ts';
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

  function openDocument(id = 'session', value = 'BCD234', host = newcomer('ann')): SessionDocument {
    const now = h.now();
    const code = { value, expiresAt: now + 15 * MINUTE };
    return openSession({ id, now, capacity: 2, approval: true, shareHistory: false, metadata: {}, code }, host);
  }

  function message(id: string): AppendRequest {
    const [type, bodyJson] = ['text', JSON.stringify(id)];
    const content = { id, type, body: id, bodyJson, fingerprint: fingerprintOf(type, bodyJson) };
    return { sessionId: 'session', sender: HOST, ...content, limits: [] };
  }

  const delivered = (): string[] => h.deliveries.map((one) => `${one.message.seq} ${one.message.id}`);

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

  it('is read when the commit has ended that was given up, and what that stored is told', async () => {
    await h.state.append(message('message-a'));
    h.failNextCommit('unknown_late');
    await expect(h.state.append(message('message-b'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const sweep = h.state.takeDue(10);
    h.recorder.land();
    await sweep;
    expect(delivered()).toEqual(['1 message-a', '2 message-b']);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ sessionId: 'session', lastSeq: 2 }]);
    expect(await h.state.append(message('message-c'))).toMatchObject({ kind: 'appended', seq: 3 });
  });

  it('is read when the commit of a kick has ended that was given up, and the kick is told', async () => {
    expect(await decide(answerKnock(HOST, 'bob', true))).toMatchObject({ kind: 'admitted' });
    h.failNextCommit('unknown_late');
    await expect(decide(kickParticipant(HOST, 'bob'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const sweep = h.state.takeDue(10);
    h.recorder.land();
    await sweep;
    expect(h.recoveries).toMatchObject([{ ended: [{ seat: { id: 'bob' }, reason: 'kicked' }] }]);
  });

  it('is read again when a repetition finds what came to be stored after that, and all are told', async () => {
    await h.state.append(message('message-a'));
    h.failNextCommit('unknown_delayed');
    await expect(h.state.append(message('message-b'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await h.state.takeDue(10);
    h.recorder.land();
    // What was decided meanwhile is stored, and told, before the session is read.
    h.holdCommits();
    const locked = decide(lockSession(HOST, true));
    await h.commitHeld();
    const repeated = h.state.append(message('message-b'));
    h.releaseCommits();
    expect(await repeated).toMatchObject({ kind: 'duplicate', seq: 2, durableSeq: 2 });
    expect(await locked).toMatchObject({ kind: 'locked' });
    expect(await h.state.read('session')).toMatchObject({ lastSeq: 2, document: { locked: true } });
    expect(delivered()).toEqual(['1 message-a', '2 message-b']);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ sessionId: 'session', lastSeq: 2 }]);
    expect(await h.state.append(message('message-c'))).toMatchObject({ kind: 'appended', seq: 3 });
  });

  it('is found by the key of its creation, when that was stored after it had been looked for', async () => {
    const host = { ...newcomer('cid'), keyHash: 'key of cid' };
    h.failNextCommit('unknown_delayed');
    const created = h.state.create(openDocument('late', 'BCD235', host), () => undefined);
    await expect(created).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await h.state.takeDue(10);
    expect(await h.state.findByKey('key of cid')).toBeNull();
    h.recorder.land();
    const again = await h.state.create(openDocument('again', 'BCD236', host), () => undefined);
    expect(again).toEqual({ kind: 'key_taken', sessionId: 'late' });
  });
});

function newcomer(id: string): NewSeat {
  return { id, name: id, userId: null, tokenHash: id, keyHash: null, instance: 'here' };
}
