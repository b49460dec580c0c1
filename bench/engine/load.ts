import { setTimeout as delay } from 'node:timers/promises';
import { runClosedLoop } from './closed-loop.ts';
import type { LedgerCounts } from './ledger.ts';
import { Meter } from './meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Pair, type PairOptions } from './pair.ts';
import type { LoadResult, Plan } from './plan.ts';
import { cpuSecondsOf, peakBytesOf } from './process-usage.ts';
import { Tally } from './tally.ts';

/** Pairs that connect at a time: enough to be quick, few enough not to be a storm. */
const CONNECTING_AT_ONCE = 10;

/** One run: connect, warm up, measure, stop sending, wait for what is under way, count. */
export async function runLoad(plan: Plan): Promise<LoadResult> {
  const meter = new Meter();
  const errors = new Tally();
  const pairs = await connectPairs(plan, {
    receiverAddress: plan.receiverAddress,
    bodyBytes: plan.bodyBytes,
    meter,
    errors,
  });

  const measured = measureWindow(plan, meter);
  const forMs = plan.warmupMs + plan.durationMs;
  const loop =
    plan.loop.kind === 'closed' ? runClosedLoop(pairs, forMs) : runOpenLoop(pairs, plan.loop.ratePerSecond, forMs);
  const [usage] = await Promise.all([measured, loop]);

  await settle(pairs, plan.settleDeadlineMs);
  const counts = total(pairs.map((pair) => pair.ledger.counts()));
  const peakBytes = peakBytesOf(plan.serverPid);
  await Promise.all(pairs.map((pair) => pair.close()));

  const { windowMs, offered, acknowledged, received } = meter.rates();
  const perSecond = (count: number): number => (count * 1000) / windowMs;
  const { serverCpuSeconds } = usage;
  return {
    windowMs,
    perSecond: {
      offered: perSecond(offered),
      acknowledged: perSecond(acknowledged),
      received: perSecond(received),
    },
    latencyMs: {
      ack: meter.ackLatency.summary(),
      delivery: meter.deliveryLatency.summary(),
      sendDelay: meter.sendDelay.summary(),
    },
    counts,
    errors: errors.toObject(),
    server: {
      cpuSeconds: serverCpuSeconds,
      cpuMicrosPerMessage:
        serverCpuSeconds === null || acknowledged === 0 ? null : (serverCpuSeconds * 1e6) / acknowledged,
      peakBytes,
    },
    generatorCores: usage.generatorCpuSeconds / (windowMs / 1000),
  };
}

async function connectPairs(plan: Plan, options: PairOptions): Promise<Pair[]> {
  const pairs: Pair[] = [];
  while (pairs.length < plan.pairs) {
    const first = pairs.length;
    const length = Math.min(CONNECTING_AT_ONCE, plan.pairs - first);
    pairs.push(
      ...(await Promise.all(Array.from({ length }, (_, i) => Pair.connect(first + i, plan.address, options)))),
    );
  }
  return pairs;
}

/** Opens the meter's window after the warm-up, and closes it; gives what the two processes used in between. */
async function measureWindow(plan: Plan, meter: Meter): Promise<WindowUsage> {
  if (plan.warmupMs > 0) await delay(plan.warmupMs);
  const serverBefore = cpuSecondsOf(plan.serverPid);
  const generatorBefore = process.cpuUsage();
  meter.open(performance.now());
  await delay(plan.durationMs);
  meter.close(performance.now());
  const generator = process.cpuUsage(generatorBefore);
  const serverAfter = cpuSecondsOf(plan.serverPid);
  return {
    serverCpuSeconds: serverBefore === null || serverAfter === null ? null : serverAfter - serverBefore,
    generatorCpuSeconds: (generator.user + generator.system) / 1e6,
  };
}

interface WindowUsage {
  serverCpuSeconds: number | null;
  generatorCpuSeconds: number;
}

/**
 * Waits until everything acknowledged has arrived. Then one more message goes through each pair as a barrier: it comes
 * after whatever the server had still queued, so a late second copy is counted as well.
 */
async function settle(pairs: readonly Pair[], deadlineMs: number): Promise<void> {
  await allWithin(
    deadlineMs,
    pairs.map((pair) => pair.settled()),
  );
  await allWithin(
    deadlineMs,
    pairs.map((pair) => pair.barrier()),
  );
}

/** Past the deadline the run goes on to its counts: they say what is missing. */
async function allWithin(deadlineMs: number, promises: readonly Promise<void>[]): Promise<void> {
  const patience = new AbortController();
  const deadline = delay(deadlineMs, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([Promise.all(promises), deadline]);
  patience.abort();
}

function total(counts: readonly LedgerCounts[]): LedgerCounts {
  const sum = (key: keyof LedgerCounts): number => counts.reduce((subtotal, { [key]: count }) => subtotal + count, 0);
  return {
    sent: sum('sent'),
    acknowledged: sum('acknowledged'),
    refused: sum('refused'),
    unanswered: sum('unanswered'),
    received: sum('received'),
    lost: sum('lost'),
    doubled: sum('doubled'),
    reordered: sum('reordered'),
    phantom: sum('phantom'),
  };
}
