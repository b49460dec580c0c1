import { expect } from '@jest/globals';
import type { AppendResult } from '../../sessions/ports.ts';
import { dropConnection } from '../../sessions/session.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind, turn } from './outcome.conformance.ts';
import { counting, createRoom, joinRule } from './room.conformance.ts';
import { deliveredSeqs, message, range } from './message.conformance.ts';

export function watching({ test, testWith }: Suite): void {
  test('lose nothing and double nothing for a seat that is attached in onVisible of its join', async (h) => {
    const room = await createRoom(h, { capacity: 50 });
    const attached: { joinedSeq: number; head: number; after: number }[] = [];
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (let index = 0; index < 20; index += 1) calls.push(h.state.append(message(room, room.host)));
      const rule = joinRule(room);
      calls.push(
        h.state.change(room.id, rule, (outcome, { lastSeq }) => {
          const { seat } = expectKind(outcome, 'joined');
          attached.push({ joinedSeq: seat.joinedSeq, head: lastSeq, after: h.deliveries.length });
        }),
      );
      // Some of it arrives in one go, some while the rest is on its way.
      if (round % 3 === 0) await turn();
    }
    await Promise.all(calls);
    expect(attached).toHaveLength(12);
    for (const { joinedSeq, head, after } of attached) {
      const seqs = deliveredSeqs(h, room.id);
      expect(seqs.slice(0, after)).toEqual(range(1, joinedSeq));
      expect(seqs.slice(after)).toEqual(range(joinedSeq + 1, 240));
      expect(head).toBe(joinedSeq);
    }
  });

  test('are called in the order of the decisions, before the callers are answered', async (h) => {
    const room = await createRoom(h);
    const order: string[] = [];
    const calls = range(1, 30).flatMap((index) => [
      h.state
        .change(room.id, counting, (count) => void order.push(`change ${count} after ${h.deliveries.length}`))
        .then((result) => {
          expect(order).toContain(`change ${decided(result)} after ${index - 1}`);
        }),
      h.state.append(message(room, room.host)).then((answer) => {
        const { seq } = expectKind(answer, 'appended');
        expect(deliveredSeqs(h, room.id)).toContain(seq);
      }),
    ]);
    await Promise.all(calls);
    expect(order).toEqual(range(1, 30).map((index) => `change ${index} after ${index - 1}`));
  });

  test('leave the state usable when one of them calls it again', async (h) => {
    const room = await createRoom(h);
    const inner: Promise<AppendResult>[] = [];
    await h.state.change(room.id, counting, () => void inner.push(h.state.append(message(room, room.host))));
    expect(inner).toHaveLength(1);
    for (const answer of await Promise.all(inner)) expect(expectKind(answer, 'appended').seq).toBe(1);
  });

  testWith(['hold'], 'keep their order for changes that need no commit behind one that does', async (h) => {
    const room = await createRoom(h);
    const order: string[] = [];
    h.holdCommits();
    const joined = h.state.change(room.id, joinRule(room), ({ kind }) => void order.push(kind));
    const sent = h.state.append(message(room, room.host)).then(() => order.push('appended'));
    const dropped = h.state.change(room.id, dropConnection(room.host), ({ kind }) => void order.push(kind));
    await h.commitHeld();
    await turn();
    expect(order).toEqual([]);
    h.releaseCommits();
    await Promise.all([joined, sent, dropped]);
    expect(order.filter((entry) => entry !== 'appended')).toEqual(['joined', 'away']);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });
}
