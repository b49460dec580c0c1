import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Message } from '../protocol/session.ts';
import { Inbox } from './inbox.ts';

function message(seq: number): Message {
  return { id: `message-${seq}`, seq, sessionId: 's', from: 'p', type: 'text', body: seq, sentAt: '' };
}

function inbox(lastSeq = 0): Inbox {
  return new Inbox({ epoch: 1, lastSeq, lastId: null, durableSeq: 0 });
}

/** Hands out all that is due. */
function drain(box: Inbox): (number | string)[] {
  const told: (number | string)[] = [];
  for (let item = box.peek(); item !== null; item = box.peek()) {
    box.take(item);
    told.push(item.kind === 'message' ? item.message.seq : `${item.gap.fromSeq}-${item.gap.toSeq}`);
  }
  return told;
}

describe('Inbox', () => {
  it('hands out nothing over a hole', () => {
    const box = inbox();
    for (const seq of [1, 3, 4]) box.add(message(seq));
    expect(drain(box)).toEqual([1]);
    expect(box.isBehind).toBe(true);
    box.add(message(2));
    expect(drain(box)).toEqual([2, 3, 4]);
  });

  it('tells at its place what is gone', () => {
    const box = inbox();
    box.addPage(0, [message(1), message(4)], 6);
    expect(drain(box)).toEqual([1, '2-3', 4, '5-6']);
  });

  it('sees that another message stands where one was handed out', () => {
    const box = inbox();
    box.add(message(1));
    drain(box);
    expect(box.add({ ...message(1), id: 'another-one' })).toBe(false);
  });

  it('sees that another message stands where one waits, and keeps the one that it has', () => {
    const box = inbox();
    for (const seq of [2, 3]) box.add(message(seq));
    expect(box.add({ ...message(2), id: 'another-one' })).toBe(false);
    expect(box.add(message(2))).toBe(true);
    box.add(message(1));
    expect(drain(box)).toEqual([1, 2, 3]);
  });

  it('tells again what follows a rewind', () => {
    const box = inbox();
    for (const seq of [1, 2, 3]) box.add(message(seq));
    drain(box);
    box.rewind(1, 2);
    for (const seq of [2, 3]) box.add(message(seq));
    expect(drain(box)).toEqual([2, 3]);
    expect(box.position).toMatchObject({ epoch: 2, lastSeq: 3, lastId: 'message-3' });
  });

  it('gives each message once and in order, whatever is lost, doubled or late, once history was read', () => {
    const packets = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 200 });
    fc.assert(
      fc.property(packets, fc.array(fc.nat(200)), fc.integer({ min: 1, max: 7 }), (seqs, pauses, pageSize) => {
        const box = inbox();
        const told: (number | string)[] = [];
        seqs.forEach((seq, index) => {
          box.add(message(seq));
          if (pauses.includes(index)) told.push(...drain(box));
        });
        for (let after = box.settled; after < 40; after = Math.min(40, after + pageSize)) {
          const upTo = Math.min(40, after + pageSize);
          const page = Array.from({ length: upTo - after }, (_, n) => message(after + 1 + n));
          box.addPage(after, page, upTo);
          if (pauses.includes(after)) told.push(...drain(box));
        }
        told.push(...drain(box));
        expect(told).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
        expect(box.isBehind).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});
