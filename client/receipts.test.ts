import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakeRequests } from '../test/support/fake-requests.ts';
import { systemClock } from './clock.ts';
import { Receipts } from './receipts.ts';

const NOTHING = { delivered: 0, read: 0 };

let requests: FakeRequests<'message:receipt'>;
let receipts: Receipts;

async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  requests = new FakeRequests('message:receipt');
  receipts = new Receipts(requests, { clock: systemClock, random: () => 0.5 });
});
afterEach(() => void jest.useRealTimers());

describe('Receipts', () => {
  it('reports what was handed out before the connection had the seat as soon as it has it', () => {
    receipts.delivered(4);
    expect(requests.asked).toHaveLength(0);
    receipts.run(NOTHING);
    expect(requests.payloads).toEqual([{ delivered: 4 }]);
  });

  it('tells nothing that the server knows already', () => {
    receipts.read(4);
    receipts.run({ delivered: 4, read: 4 });
    receipts.read(3);
    expect(requests.asked).toHaveLength(0);
  });

  it('counts what was read as delivered', () => {
    receipts.run(NOTHING);
    receipts.read(3);
    expect(requests.payloads).toEqual([{ delivered: 3, read: 3 }]);
  });

  it('gathers what happens during a report and shortly after it into one', async () => {
    receipts.run(NOTHING);
    receipts.delivered(1);
    for (const seq of [2, 3, 4]) receipts.delivered(seq);
    expect(requests.asked).toHaveLength(1);
    requests.ok({});
    await jest.advanceTimersByTimeAsync(199);
    receipts.delivered(5);
    receipts.read(2);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(requests.payloads).toEqual([{ delivered: 1 }, { delivered: 5, read: 2 }]);
    requests.ok({});
    await jest.advanceTimersByTimeAsync(10_000);
    expect(requests.asked).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('never goes back', async () => {
    receipts.run(NOTHING);
    receipts.read(5);
    requests.ok({});
    await jest.advanceTimersByTimeAsync(200);
    receipts.delivered(2);
    receipts.read(1);
    receipts.delivered(6);
    expect(requests.payloads.slice(1)).toEqual([{ delivered: 6 }]);
  });

  it('repeats a report without answer, with what is newest then, later each time', async () => {
    receipts.run(NOTHING);
    receipts.delivered(1);
    for (const [index, waitMs] of [250, 500, 1_000, 2_000, 2_000].entries()) {
      requests.lose();
      await settled();
      receipts.delivered(index + 2);
      await jest.advanceTimersByTimeAsync(waitMs - 1);
      expect(requests.asked).toHaveLength(index + 1);
      await jest.advanceTimersByTimeAsync(1);
      expect(requests.payloads.at(-1)).toEqual({ delivered: index + 2 });
    }
    requests.ok({});
    await jest.advanceTimersByTimeAsync(10_000);
    expect(requests.asked).toHaveLength(6);
  });

  it('waits as long as a limit asks for', async () => {
    receipts.run(NOTHING);
    receipts.delivered(1);
    requests.refuse('RATE_LIMITED', 5_000);
    await jest.advanceTimersByTimeAsync(4_999);
    receipts.delivered(2);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(251);
    expect(requests.payloads).toEqual([{ delivered: 1 }, { delivered: 2 }]);
  });

  it('does not repeat what was refused for good, and reports what comes after it', async () => {
    receipts.run(NOTHING);
    receipts.delivered(1);
    requests.refuse('INVALID_PAYLOAD');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(requests.asked).toHaveLength(1);
    receipts.delivered(2);
    expect(requests.payloads).toEqual([{ delivered: 1 }, { delivered: 2 }]);
  });

  it('reports again on the next connection what had no answer on the last one', async () => {
    receipts.run(NOTHING);
    receipts.read(7);
    receipts.pause();
    requests.lose();
    await settled();
    expect(jest.getTimerCount()).toBe(0);
    receipts.delivered(8);
    expect(requests.asked).toHaveLength(1);
    receipts.run(NOTHING);
    expect(requests.payloads.slice(1)).toEqual([{ delivered: 8, read: 7 }]);
  });

  it('leaves it at that when the lost report had arrived all the same', async () => {
    receipts.run(NOTHING);
    receipts.read(7);
    receipts.pause();
    requests.lose();
    await settled();
    receipts.run({ delivered: 7, read: 7 });
    await jest.advanceTimersByTimeAsync(60_000);
    expect(requests.asked).toHaveLength(1);
  });

  it('has no timer left when it is paused between two reports', async () => {
    receipts.run(NOTHING);
    receipts.delivered(1);
    requests.ok({});
    await settled();
    expect(jest.getTimerCount()).toBe(1);
    receipts.pause();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('reports no message that a rollback took away, and reports those that come in their place', async () => {
    receipts.run(NOTHING);
    receipts.read(9);
    receipts.pause();
    requests.lose();
    await settled();
    receipts.rewind(4);
    receipts.run({ delivered: 2, read: 2 });
    expect(requests.payloads.at(-1)).toEqual({ delivered: 4, read: 4 });
    requests.ok({});
    await jest.advanceTimersByTimeAsync(200);
    receipts.delivered(5);
    expect(requests.payloads.at(-1)).toEqual({ delivered: 5 });
  });
});
