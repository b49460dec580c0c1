import { describe, expect, it } from '@jest/globals';
import { startFaultyServer, type Faults } from './faulty-server.ts';
import { runLoad } from './load.ts';
import type { LoadResult, Plan } from './plan.ts';

const PAIRS = 2;
const RATE_PER_SECOND = 400;
const DURATION_MS = 300;
/** Per pair 60 that are due, and the barrier at the end. */
const SENT_PER_PAIR = (RATE_PER_SECOND * DURATION_MS) / 1000 / PAIRS + 1;

const OPEN: Plan['loop'] = { kind: 'open', ratePerSecond: RATE_PER_SECOND };
const CLOSED: Plan['loop'] = { kind: 'closed' };

async function load(faults: Faults, loop: Plan['loop'], settleDeadlineMs = 10_000): Promise<LoadResult> {
  const server = await startFaultyServer(faults);
  try {
    return await runLoad({
      address: server.address,
      serverPid: process.pid,
      loop,
      pairs: PAIRS,
      durationMs: DURATION_MS,
      warmupMs: 0,
      bodyBytes: 20,
      settleDeadlineMs,
    });
  } finally {
    await server.stop();
  }
}

const NO_FAULTS = { refused: 0, unanswered: 0, lost: 0, doubled: 0, reordered: 0, phantom: 0 };

describe('the accounting of a load', () => {
  it('finds nothing where nothing is wrong, and sends exactly what the rate asks', async () => {
    const { counts, errors, latencyMs, perSecond } = await load({}, OPEN);
    const sent = SENT_PER_PAIR * PAIRS;
    expect(counts).toEqual({ ...NO_FAULTS, sent, acknowledged: sent, received: sent });
    expect(errors).toEqual({});
    expect(latencyMs.delivery?.count).toBe(sent - PAIRS);
    expect(perSecond.offered).toBeGreaterThan(0);
  });

  it('counts each dropped delivery as lost', async () => {
    const { counts } = await load({ drop: [0, 7, 8] }, OPEN, 1_000);
    const sent = SENT_PER_PAIR * PAIRS;
    expect(counts).toEqual({ ...NO_FAULTS, sent, acknowledged: sent, received: sent - 6, lost: 6 });
  });

  it('counts each second copy as doubled, also one that comes behind the last message', async () => {
    const { counts } = await load({ double: [3, 4, 20, SENT_PER_PAIR - 2] }, OPEN);
    expect(counts).toMatchObject({ ...NO_FAULTS, doubled: 8, received: SENT_PER_PAIR * PAIRS });
  });

  it('counts each delivery that comes behind a higher seq as reordered', async () => {
    const { counts } = await load({ swap: [5, 30, 40] }, OPEN);
    expect(counts).toMatchObject({ ...NO_FAULTS, reordered: 6, received: SENT_PER_PAIR * PAIRS });
  });

  it("counts another pair's message, and one that comes back to its sender, as phantom", async () => {
    const { counts } = await load({ leak: [9], echo: [10] }, OPEN);
    expect(counts).toMatchObject({ ...NO_FAULTS, phantom: 4 });
  });

  it('tells refusals and missing answers from losses', async () => {
    const { counts, errors } = await load({ refuse: [1, 2], ignore: [11] }, OPEN, 1_000);
    expect(counts).toMatchObject({ ...NO_FAULTS, refused: 4, unanswered: 2, received: SENT_PER_PAIR * PAIRS - 6 });
    expect(errors).toEqual({ RATE_LIMITED: 4 });
  });

  it('keeps the counts apart when everything goes wrong at once, in a closed loop as well', async () => {
    const { counts } = await load({ drop: [2, 3], double: [6], swap: [12, 15, 18], refuse: [21] }, CLOSED, 1_000);
    expect(counts).toMatchObject({ ...NO_FAULTS, lost: 4, doubled: 2, reordered: 6, refused: 2 });
    expect(counts.acknowledged).toBe(counts.sent - counts.refused);
    expect(counts.received).toBe(counts.acknowledged - counts.lost);
  });

  it('reports a connection that the server ends, with its reason, and what could not be sent for it', async () => {
    const { counts, errors } = await load({ close: 10 }, OPEN, 500);
    expect(counts).toMatchObject({ lost: 0, acknowledged: 10 * PAIRS, received: 10 * PAIRS });
    expect(counts.unanswered).toBeGreaterThanOrEqual(PAIRS);
    expect(errors['connection of A lost: slow_consumer']).toBe(PAIRS);
    expect(errors['not sent: connection of A lost']).toBe(counts.refused);
  });
});

describe('the clock of a load', () => {
  it('charges a stall to every message that was due meanwhile', async () => {
    const stallMs = 150;
    const { latencyMs, counts } = await load({ stall: { number: 10, ms: stallMs } }, OPEN);
    expect(counts.sent).toBe(SENT_PER_PAIR * PAIRS);
    // 400/s for 150 ms are 60 of 120 messages, evenly late between 150 and 0 ms: half of these by 75 ms or more.
    expect(latencyMs.delivery?.max).toBeGreaterThanOrEqual(stallMs - 10);
    expect(latencyMs.delivery?.p95).toBeGreaterThanOrEqual(100);
    expect(latencyMs.sendDelay?.p95).toBeGreaterThanOrEqual(100);
  });

  it('keeps the warm-up out of rates and latencies, and in the counts', async () => {
    const server = await startFaultyServer({});
    try {
      const { counts, latencyMs } = await runLoad({
        address: server.address,
        serverPid: process.pid,
        loop: OPEN,
        pairs: 1,
        durationMs: 200,
        warmupMs: 200,
        bodyBytes: 0,
        settleDeadlineMs: 10_000,
      });
      expect(counts.sent).toBe(161);
      expect(latencyMs.ack?.count).toBeLessThanOrEqual(80);
      expect(latencyMs.ack?.count).toBeGreaterThan(0);
    } finally {
      await server.stop();
    }
  });
});
