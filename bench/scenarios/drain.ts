import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Closers } from '../closers.ts';
import { CrowdChild } from '../drain/crowd-child.ts';
import type { CrowdResult } from '../drain/crowd-plan.ts';
import { drainFigures, type Drained } from '../drain/drain-figures.ts';
import { cpuSecondsOf } from '../engine/process-usage.ts';
import type { Options } from '../options.ts';
import type { Report } from '../report.ts';
import type { RunningServer } from '../server-process.ts';
import { startInstance, startStores } from '../stores.ts';
import type { Workspace } from '../workspace.ts';

const PAIRS = 2500;
/** One process alone would be late with the answers that it measures. */
const CROWDS = 2;
const TALKING_PAIRS = 50;
/** Together 100 messages a second. */
const INTERVAL_MS = 500;
/** Of talk before the server is told to stop. */
const TALK_MS = 2000;
/** How long all may take to come back, from the first word of the stop on, before the counts are taken as they are. */
const PATIENCE_MS = 60_000;

/** Where clients come back to, once their server is told to stop. */
type Elsewhere = (server: RunningServer) => Promise<{ server: RunningServer; readyAt: number }>;

/** A server with thousands of connections is told to stop: over Redis beside another one, and alone with its own database. */
export async function runDrainScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  assertFilesEnough(pairs);
  const external = await drainToAnother(pairs, options.serverScript, workspace);
  const embedded = await drainAlone(pairs, workspace);
  const isTarget = pairs === PAIRS;
  return {
    title: `drain: ${2 * pairs} connections, ${TALKING_PAIRS} pairs talk; SIGTERM`,
    figures: [
      ...drainFigures('two servers over Redis and Postgres', external, { isTarget, isAlone: false }),
      ...drainFigures('one embedded server, started again when it has ended', embedded, { isTarget, isAlone: true }),
    ],
  };
}

async function drainToAnother(pairs: number, script: string, workspace: Workspace): Promise<Drained> {
  const closers = new Closers();
  try {
    const stores = await startStores(closers);
    const [first, second] = [
      await startInstance(script, workspace, stores),
      await startInstance(script, workspace, stores),
    ];
    closers.add(() => first.stop());
    closers.add(() => second.stop());
    return await drain(pairs, first, workspace.signal, () => Promise.resolve({ server: second, readyAt: Date.now() }));
  } finally {
    await closers.closeAll();
  }
}

async function drainAlone(pairs: number, workspace: Workspace): Promise<Drained> {
  const closers = new Closers();
  try {
    const dataDirectory = await workspace.copyInitialised();
    const first = await workspace.startTandem(dataDirectory);
    closers.add(() => first.stop());
    return await drain(pairs, first, workspace.signal, async () => {
      await first.exited;
      const again = await workspace.startTandem(dataDirectory);
      closers.add(() => again.stop());
      return { server: again, readyAt: Date.now() };
    });
  } finally {
    await closers.closeAll();
  }
}

async function drain(
  pairs: number,
  server: RunningServer,
  signal: AbortSignal,
  elsewhere: Elsewhere,
): Promise<Drained> {
  const plan = { address: server.address, intervalMs: INTERVAL_MS };
  const crowds = Array.from({ length: CROWDS }, (_, index) => {
    const share = (whole: number) => Math.floor(whole / CROWDS) + (index < whole % CROWDS ? 1 : 0);
    return new CrowdChild(
      { ...plan, pairs: share(pairs), talkingPairs: share(Math.min(pairs, TALKING_PAIRS)) },
      signal,
    );
  });
  try {
    await Promise.all(crowds.map(({ paired }) => paired));
    await delay(TALK_MS, undefined, { signal });
    const cpuBefore = cpuSecondsOf(server.pid);
    const crowdCpuBefore = sumOf(crowds.map(({ pid }) => cpuSecondsOf(pid)));
    const toldAt = Date.now();
    const exited = server.exited.then((code) => ({ code, tookMs: Date.now() - toldAt }));
    // The processor's time of a process can't be read any more when it has ended.
    let cpuAfter = cpuBefore;
    const watch = setInterval(() => (cpuAfter = cpuSecondsOf(server.pid) ?? cpuAfter), 50);
    process.kill(server.pid, 'SIGTERM');
    const moving = elsewhere(server).then(({ server: other, readyAt }) => {
      const otherCpuBefore = cpuSecondsOf(other.pid);
      for (const crowd of crowds) crowd.comeBackTo(other.address);
      return { other, readyAt, otherCpuBefore };
    });
    const { other, readyAt, otherCpuBefore } = await moving;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const expired = new Promise<void>((resolve) => patience.addEventListener('abort', () => resolve()));
    await Promise.race([Promise.all(crowds.map(({ back }) => back)), expired]);
    signal.throwIfAborted();
    const { code, tookMs } = await exited;
    clearInterval(watch);
    const otherCpuAfter = cpuSecondsOf(other.pid);
    const crowdCpuAfter = sumOf(crowds.map(({ pid }) => cpuSecondsOf(pid)));
    const results = await Promise.all(crowds.map((crowd) => crowd.finish()));
    return {
      connections: 2 * pairs,
      exitCode: code,
      tookMs,
      toldAt,
      readyAt,
      result: together(results),
      cpuSeconds: {
        stopping: difference(cpuBefore, cpuAfter),
        taking: difference(otherCpuBefore, otherCpuAfter),
        crowds: difference(crowdCpuBefore, crowdCpuAfter),
      },
    };
  } finally {
    for (const crowd of crowds) crowd.kill();
  }
}

function together(results: readonly CrowdResult[]): CrowdResult {
  const sum = (of: (result: CrowdResult) => number): number => results.reduce((total, one) => total + of(one), 0);
  const tally = (of: (result: CrowdResult) => Record<string, number>): Record<string, number> => {
    const all: Record<string, number> = {};
    for (const [what, count] of results.flatMap((one) => Object.entries(of(one)))) all[what] = (all[what] ?? 0) + count;
    return all;
  };
  return {
    returns: results.flatMap(({ returns }) => returns),
    away: sum(({ away }) => away),
    losses: tally(({ losses }) => losses),
    faults: tally(({ faults }) => faults),
    failedAttempts: sum(({ failedAttempts }) => failedAttempts),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    lost: sum(({ lost }) => lost),
    doubled: sum(({ doubled }) => doubled),
    holes: sum(({ holes }) => holes),
    loopLagMs: Math.max(...results.map(({ loopLagMs }) => loopLagMs)),
  };
}

function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce((total, one) => (total === null || one === null ? null : total + one), 0);
}

function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
}

/** A server needs a file for each connection; children inherit the limit of this process. */
function assertFilesEnough(pairs: number): void {
  const needed = 2 * pairs + 500;
  const limit = openFilesLimit();
  if (limit !== null && limit < needed) {
    throw new Error(`expected room for ${needed} open files, got ${limit}: ulimit -n ${needed}, or fewer --pairs`);
  }
}

/** Null where it can't be told or there is none. */
function openFilesLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null; // not Linux
  }
}
