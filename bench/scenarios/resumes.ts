import { setTimeout as delay } from 'node:timers/promises';
import { CrowdChild } from '../drain/crowd-child.ts';
import { Samples } from '../engine/samples.ts';
import { percentiles, rounded, tallyText, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { startContender } from '../peers/contenders.ts';
import { inField } from '../peers/field.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const PAIRS = 5_000;
/** One process alone would be late with what it measures. */
const CROWDS = 2;
const DEADLINE_MS = 60_000;
const TARGET_MS = 15_000;

/** An instance dies with all its participants; they come back to another, each by the rule of a stock client. */
export async function runResumesScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const { signal } = workspace;
  const { result, pinning } = await inField(options, workspace, async (field, closers) => {
    const { servers } = await startContender(field, 'tandem', 2, closers);
    const [dying, living] = servers;
    if (dying === undefined || living === undefined) throw new Error('two servers were started');
    const plan = { address: dying.address, pairs: Math.ceil(pairs / CROWDS), talkingPairs: 0, intervalMs: 1000 };
    const crowds = Array.from({ length: CROWDS }, () => new CrowdChild(plan, signal));
    closers.add(() => {
      for (const crowd of crowds) crowd.kill();
      return Promise.resolve();
    });
    await Promise.all(crowds.map(({ paired }) => paired));
    for (const crowd of crowds) crowd.comeBackTo(living.address);
    const diedAt = performance.timeOrigin + performance.now();
    await dying.kill();
    const allBack = Promise.all(crowds.map(({ back }) => back));
    await Promise.race([allBack, delay(DEADLINE_MS, undefined, { signal })]);
    return { diedAt, crowds: await Promise.all(crowds.map((crowd) => crowd.finish())) };
  });
  return {
    title: `resumes: an instance with ${2 * pairs} participants is killed, and they come back to another`,
    figures: figuresOf(result.diedAt, result.crowds, pairs === PAIRS),
    notes: [pinning],
  };
}

function figuresOf(
  diedAt: number,
  crowds: readonly Awaited<ReturnType<CrowdChild['finish']>>[],
  isTarget: boolean,
): Figure[] {
  const returns = crowds.flatMap(({ returns }) => returns);
  const away = crowds.reduce((sum, crowd) => sum + crowd.away, 0);
  const back = new Samples();
  const resuming = new Samples();
  for (const { askedAt, backAt } of returns) {
    back.add(backAt - diedAt);
    resuming.add(backAt - askedAt);
  }
  const lastMs = away > 0 ? Infinity : (back.summary()?.max ?? Infinity);
  return [
    { name: 'back', value: `${returns.length}, still away ${away}` },
    { name: 'from the death to session:resumed', value: percentiles(back.summary()) },
    { name: '  of it connecting and resuming', value: percentiles(resuming.summary()) },
    {
      name: 'the last one back',
      value: Number.isFinite(lastMs) ? `${rounded(lastMs / 1000)} s` : 'never',
      ...(isTarget && { target: { text: `within ${TARGET_MS / 1000} s`, isReached: lastMs <= TARGET_MS } }),
    },
    { name: 'attempts that failed', value: String(crowds.reduce((sum, crowd) => sum + crowd.failedAttempts, 0)) },
    { name: 'faults', value: crowds.map(({ faults }) => tallyText(faults)).join('; ') },
    {
      name: "longest stall of the clients' processes",
      value: `${rounded(Math.max(...crowds.map(({ loopLagMs }) => loopLagMs)))} ms`,
    },
  ];
}
