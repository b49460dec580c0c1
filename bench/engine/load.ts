import { setTimeout as delay } from 'node:timers/promises';
import { runClosedLoop } from './closed-loop.ts';
import type { LedgerCounts } from './ledger.ts';
import { Meter } from './meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Pair, type PairOptions } from './pair.ts';
import type { LoadResult, Plan } from './plan.ts';
import { cpuSecondsOf, peakBytesOf, treeCpuSecondsOf } from './process-usage.ts';
import { Tally } from './tally.ts';

/** Pairs that connect at a time: enough to be quick, few enough not to be a storm. */
const CONNECTING_AT_ONCE = 10;
const CONNECT_ATTEMPTS = 4;
const CONNECT_PAUSE_MS = 1_000;

/** One run: connect, warm up, measure, stop sending, wait for what is under way, count. */
export async function runLoad(plan: Plan): Promise<LoadResult> {
  const meter = new Meter();
  const errors = new Tally();
  const pairs = await connectPairs(plan, {
    bodyBytes: plan.bodyBytes,
    meter,
    errors,
  });

  const measured = measureWindow(plan, meter);
  const forMs = plan.warmupMs + plan.durationMs;
  const loop =
    plan.loop.kind === 'closed'
      ? runClosedLoop(pairs, forMs, plan.loop.awaits)
      : runOpenLoop(pairs, plan.loop.ratePerSecond, forMs);
  const [usage] = await Promise.all([measured, loop]);

  await settle(pairs, plan.settleDeadlineMs);
  const counts = total(pairs.map((pair) => pair.ledger.counts()));
  const peakBytes = peakBytesOf(plan.serverPid);
  const watched = Object.entries(plan.watched ?? {}).map(([name, pids]): [string, LoadResult['watched'][string]] => [
    name,
    { cpuSeconds: usage.watchedCpuSeconds[name] ?? null, peakBytes: sumOf(pids.map(peakBytesOf)) },
  ]);
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
    watched: Object.fromEntries(watched),
    generatorCores: usage.generatorCpuSeconds / (windowMs / 1000),
  };
}

async function connectPairs(plan: Plan, options: Omit<PairOptions, 'receiverAddress'>): Promise<Pair[]> {
  const pairs: Pair[] = [];
  const connect = (index: number): Promise<Pair> => {
    const { sender, receiver } = placesOf(plan, index);
    return persistently(() => Pair.connect(index, sender, { ...options, receiverAddress: receiver }));
  };
  while (pairs.length < plan.pairs) {
    const first = pairs.length;
    const length = Math.min(CONNECTING_AT_ONCE, plan.pairs - first);
    pairs.push(...(await Promise.all(Array.from({ length }, (_, i) => connect(first + i)))));
  }
  return pairs;
}

/** A server that has just started, on a machine that is busy, may refuse the first: what is measured comes later. */
async function persistently<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = CONNECT_ATTEMPTS - 1; left > 0; left -= 1) {
    try {
      return await attempt();
    } catch {
      await delay(CONNECT_PAUSE_MS);
    }
  }
  return attempt();
}

function placesOf({ address, receiverAddress, addresses }: Plan, index: number): { sender: string; receiver: string } {
  if (addresses === undefined) return { sender: address, receiver: receiverAddress ?? address };
  const at = (place: number): string => addresses[place % addresses.length] ?? address;
  return { sender: at(index), receiver: at(index + 1) };
}

/** Opens the meter's window after the warm-up, and closes it; gives what the two processes used in between. */
async function measureWindow(plan: Plan, meter: Meter): Promise<WindowUsage> {
  if (plan.warmupMs > 0) await delay(plan.warmupMs);
  const serverBefore = cpuSecondsOf(plan.serverPid);
  const watchedBefore = watchedCpuSeconds(plan);
  const generatorBefore = process.cpuUsage();
  meter.open(performance.now());
  await delay(plan.durationMs);
  meter.close(performance.now());
  const generator = process.cpuUsage(generatorBefore);
  const serverAfter = cpuSecondsOf(plan.serverPid);
  const watched = Object.entries(watchedCpuSeconds(plan)).map(([name, after]): [string, number | null] => [
    name,
    difference(watchedBefore[name] ?? null, after),
  ]);
  return {
    serverCpuSeconds: difference(serverBefore, serverAfter),
    watchedCpuSeconds: Object.fromEntries(watched),
    generatorCpuSeconds: (generator.user + generator.system) / 1e6,
  };
}

interface WindowUsage {
  serverCpuSeconds: number | null;
  watchedCpuSeconds: Record<string, number | null>;
  generatorCpuSeconds: number;
}

function watchedCpuSeconds({ watched = {} }: Plan): Record<string, number | null> {
  return Object.fromEntries(Object.entries(watched).map(([name, pids]) => [name, sumOf(pids.map(treeCpuSecondsOf))]));
}

function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce((sum, value) => (sum === null || value === null ? null : sum + value), 0);
}

function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
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
