import type { RedisServer } from '../../test/support/redis-server.ts';
import { Closers } from '../closers.ts';
import type { LoadResult } from '../engine/plan.ts';
import { cpuSecondsOf } from '../engine/process-usage.ts';
import { milliseconds, percentiles, rounded, tallyText, type Figure } from '../figures.ts';
import { generate } from '../generator-process.ts';
import type { Options } from '../options.ts';
import { callsOf, callsSince, callsText, PUBLISH_CALLS, SCRIPT_CALLS, sumOfCalls, type Calls } from '../redis-calls.ts';
import type { Report } from '../report.ts';
import type { RunningServer } from '../server-process.ts';
import { startInstance, startStores } from '../stores.ts';
import type { Workspace } from '../workspace.ts';

const PAIRS = 20;
const RATE_PER_SECOND = 2_000;
const TARGET_P99_MS = 15;
const WARMUP_MS = 2_000;
const BODY_BYTES = 100;
const SETTLE_DEADLINE_MS = 10_000;

/** What two servers and their Redis did for all messages of a run, the warm-up included. */
interface Usage {
  readonly serverCpuSeconds: number | null;
  readonly redisCpuSeconds: number | null;
  readonly calls: Calls;
}

/** Pairs whose A is on one server and whose B is on another, over one Redis (AOF always) and one Postgres. */
export async function runCrossScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const ratePerSecond = options.ratePerSecond ?? RATE_PER_SECOND;
  const closers = new Closers();
  try {
    const stores = await startStores(closers);
    const { redis } = stores;
    const servers: RunningServer[] = [];
    for (let index = 0; index < 2; index += 1) {
      const server = await startInstance(options.serverScript, workspace, stores);
      closers.add(() => server.stop());
      servers.push(server);
    }
    const [sending, receiving] = servers;
    if (sending === undefined || receiving === undefined) throw new Error('two servers were started');

    const before = await usageOf(servers, redis);
    const result = await generate(
      {
        address: sending.address,
        receiverAddress: receiving.address,
        serverPid: sending.pid,
        loop: { kind: 'open', ratePerSecond },
        pairs,
        durationMs: options.durationMs,
        warmupMs: WARMUP_MS,
        bodyBytes: BODY_BYTES,
        settleDeadlineMs: SETTLE_DEADLINE_MS,
      },
      workspace.signal,
    );
    const usage = difference(before, await usageOf(servers, redis));
    const isTarget = pairs === PAIRS && ratePerSecond === RATE_PER_SECOND;
    return {
      title: `cross: open loop, ${ratePerSecond}/s, ${pairs} pairs across two servers, ${options.durationMs / 1000} s`,
      figures: figuresOf(result, usage, isTarget),
    };
  } finally {
    await closers.closeAll();
  }
}

async function usageOf(servers: readonly RunningServer[], redis: RedisServer): Promise<Usage> {
  const cpu = servers.map(({ pid }) => cpuSecondsOf(pid));
  return {
    serverCpuSeconds: cpu.reduce((sum, seconds) => (sum === null || seconds === null ? null : sum + seconds), 0),
    redisCpuSeconds: cpuSecondsOf(redis.pid),
    calls: await callsOf(redis),
  };
}

function difference(before: Usage, after: Usage): Usage {
  const since = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from;
  return {
    serverCpuSeconds: since(before.serverCpuSeconds, after.serverCpuSeconds),
    redisCpuSeconds: since(before.redisCpuSeconds, after.redisCpuSeconds),
    calls: callsSince(before.calls, after.calls),
  };
}

function figuresOf(result: LoadResult, usage: Usage, isTarget: boolean): Figure[] {
  const { perSecond, latencyMs, counts } = result;
  const { acknowledged } = counts;
  const perMessage = (names: readonly string[]): number => sumOfCalls(usage.calls, names) / acknowledged;
  const faults = counts.lost + counts.doubled + counts.reordered + counts.phantom + counts.unanswered;
  const p99 = latencyMs.delivery?.p99 ?? Infinity;
  const scripts = perMessage(SCRIPT_CALLS);
  const published = perMessage(PUBLISH_CALLS);
  return [
    { name: 'acknowledged', value: `${rounded(perSecond.acknowledged)} /s of ${rounded(perSecond.offered)} offered` },
    { name: 'send to ack', value: percentiles(latencyMs.ack) },
    { name: 'send to receive', value: percentiles(latencyMs.delivery) },
    {
      name: 'send to receive, p99',
      value: milliseconds(p99),
      ...(isTarget && { target: { text: `below ${TARGET_P99_MS} ms`, isReached: p99 < TARGET_P99_MS } }),
    },
    { name: 'late to send', value: percentiles(latencyMs.sendDelay) },
    // Heartbeats, polls and the archiver are part of it: hence the room above 1.
    {
      name: 'scripts per message',
      value: scripts.toFixed(3),
      target: { text: '1, and 5 % of housekeeping', isReached: scripts <= 1.05 },
    },
    {
      name: 'publishes per message',
      value: published.toFixed(3),
      target: { text: '1, and 5 % of housekeeping', isReached: published <= 1.05 },
    },
    { name: 'calls per message', value: callsText(usage.calls, acknowledged) },
    { name: 'CPU of both servers', value: microseconds(usage.serverCpuSeconds, acknowledged) },
    { name: 'CPU of Redis', value: microseconds(usage.redisCpuSeconds, acknowledged) },
    { name: 'CPU of the generator', value: `${result.generatorCores.toFixed(2)} of a core` },
    {
      name: 'faults',
      value: `lost ${counts.lost}, doubled ${counts.doubled}, reordered ${counts.reordered}, phantom ${counts.phantom}, unanswered ${counts.unanswered}, of ${counts.sent} sent`,
      target: { text: '0', isReached: faults === 0 && acknowledged > 0 },
    },
    { name: 'errors', value: tallyText(result.errors) },
  ];
}

function microseconds(seconds: number | null, messages: number): string {
  if (seconds === null) return 'not measured (needs /proc)';
  return `${rounded(seconds)} s, ${rounded((seconds * 1e6) / messages)} us per message`;
}
