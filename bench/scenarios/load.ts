import type { LoadResult, Plan } from '../engine/plan.ts';
import { milliseconds, percentiles, rounded, tallyText, type Figure } from '../figures.ts';
import { generate } from '../generator-process.ts';
import type { Options } from '../options.ts';
import type { Report } from '../report.ts';
import type { RunningServer } from '../server-process.ts';
import type { Workspace } from '../workspace.ts';

/** What a load asks of a server, apart from where and how long. */
export interface LoadShape {
  name: string;
  loop: Plan['loop'];
  pairs: number;
}

export const PAIR: LoadShape = { name: 'pair', loop: { kind: 'closed' }, pairs: 1 };
export const FIFTY: LoadShape = { name: 'fifty', loop: { kind: 'closed' }, pairs: 50 };
export const OPEN500: LoadShape = { name: 'open500', loop: { kind: 'open', ratePerSecond: 500 }, pairs: 50 };

const PAIR_TARGET_PER_SECOND = 300;
const FIFTY_TARGET_PER_SECOND = 3_000;
const OPEN500_TARGET_P99_MS = 25;

/** Long enough for the compiler of Node.js to have seen the hot path some thousand times. */
const WARMUP_MS = 2_000;
const BODY_BYTES = 100;
/** Twice the longest that an answer or a delivery may take by the protocol. */
const SETTLE_DEADLINE_MS = 10_000;

/** Runs one of the three shapes against a server of its own. Gives the title and the figures. */
export async function runLoadScenario(shape: LoadShape, options: Options, workspace: Workspace): Promise<Report> {
  const asked = adjusted(shape, options);
  const server = await workspace.startInitialisedTandem();
  try {
    const result = await measure(asked, server, options.durationMs, workspace.signal);
    return { title: titleOf(asked, options.durationMs), figures: figuresOf(asked, result, isSameLoad(asked, shape)) };
  } finally {
    await server.stop();
  }
}

export function measure(
  shape: LoadShape,
  server: RunningServer,
  durationMs: number,
  signal: AbortSignal,
  warmupMs = WARMUP_MS,
): Promise<LoadResult> {
  const plan: Plan = {
    address: server.address,
    serverPid: server.pid,
    loop: shape.loop,
    pairs: shape.pairs,
    durationMs,
    warmupMs,
    bodyBytes: BODY_BYTES,
    settleDeadlineMs: SETTLE_DEADLINE_MS,
  };
  return generate(plan, signal);
}

export function adjusted(shape: LoadShape, options: Options): LoadShape {
  const loop: Plan['loop'] =
    shape.loop.kind === 'open' && options.ratePerSecond !== null
      ? { kind: 'open', ratePerSecond: options.ratePerSecond }
      : shape.loop;
  return { name: shape.name, loop, pairs: options.pairs ?? shape.pairs };
}

/** The targets were set for these numbers of pairs and this rate, and say nothing about others. */
function isSameLoad(a: LoadShape, b: LoadShape): boolean {
  return a.pairs === b.pairs && JSON.stringify(a.loop) === JSON.stringify(b.loop);
}

export function titleOf({ name, loop, pairs }: LoadShape, durationMs: number): string {
  const how = loop.kind === 'closed' ? 'closed loop' : `open loop, ${loop.ratePerSecond}/s`;
  return `${name}: ${how}, ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}, ${durationMs / 1000} s`;
}

function figuresOf(shape: LoadShape, result: LoadResult, withTargets: boolean): Figure[] {
  const { perSecond, latencyMs, counts, server } = result;
  const figures: Figure[] = [];
  if (shape.loop.kind === 'open') figures.push({ name: 'offered', value: `${rounded(perSecond.offered)} /s` });
  figures.push(
    {
      name: 'acknowledged',
      value: `${rounded(perSecond.acknowledged)} /s`,
      ...(withTargets && rateTarget(shape, perSecond.acknowledged)),
    },
    { name: 'received', value: `${rounded(perSecond.received)} /s` },
    { name: 'send to ack', value: percentiles(latencyMs.ack) },
    { name: 'send to receive', value: percentiles(latencyMs.delivery) },
  );
  if (withTargets && shape.name === OPEN500.name) {
    const p99 = latencyMs.delivery?.p99 ?? Infinity;
    figures.push({
      name: 'send to receive, p99',
      value: milliseconds(p99),
      target: { text: `below ${OPEN500_TARGET_P99_MS} ms`, isReached: p99 < OPEN500_TARGET_P99_MS },
    });
  }
  if (shape.loop.kind === 'open') figures.push({ name: 'late to send', value: percentiles(latencyMs.sendDelay) });
  const faults = counts.lost + counts.doubled + counts.reordered + counts.phantom + counts.unanswered;
  figures.push(
    {
      name: 'faults',
      value: faultsText(counts),
      target: { text: '0', isReached: faults === 0 && counts.acknowledged > 0 },
    },
    { name: 'errors', value: tallyText(result.errors) },
    { name: 'server CPU', value: cpuText(result) },
    { name: 'server memory, peak', value: bytesText(server.peakBytes) },
    { name: 'generator CPU', value: `${result.generatorCores.toFixed(2)} of a core` },
  );
  return figures;
}

function rateTarget(shape: LoadShape, perSecond: number): Pick<Figure, 'target'> {
  const atLeast =
    shape.name === PAIR.name ? PAIR_TARGET_PER_SECOND : shape.name === FIFTY.name ? FIFTY_TARGET_PER_SECOND : null;
  if (atLeast === null) return {};
  return { target: { text: `${rounded(atLeast)} /s or more`, isReached: perSecond >= atLeast } };
}

function faultsText({ lost, doubled, reordered, phantom, unanswered, sent }: LoadResult['counts']): string {
  return `lost ${lost}, doubled ${doubled}, reordered ${reordered}, phantom ${phantom}, unanswered ${unanswered}, of ${sent.toLocaleString('en-US')} sent`;
}

function cpuText({ server: { cpuSeconds, cpuMicrosPerMessage }, windowMs }: LoadResult): string {
  if (cpuSeconds === null || cpuMicrosPerMessage === null)
    return 'not measured (needs /proc and an acknowledged message)';
  const cores = (cpuSeconds / (windowMs / 1000)).toFixed(2);
  return `${rounded(cpuSeconds)} s, ${cores} of a core, ${rounded(cpuMicrosPerMessage)} us per message`;
}

function bytesText(bytes: number | null): string {
  return bytes === null ? 'not measured (needs /proc)' : `${rounded(bytes / 2 ** 20)} MiB`;
}
