import { median, milliseconds, rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { LABELS } from '../peers/contenders.ts';
import { inField, inTurn } from '../peers/field.ts';
import { p99Of, rateOf, roundTable } from '../peers/round-table.ts';
import { runRound, type Round, type RoundShape } from '../peers/round.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const PAIRS = 200;
const RATE_PER_SECOND = 2_000;
const ROUNDS = 3;
const SHARE_OF_DURATION = 0.4;
const SHARE_OF_BEST = 0.8;
const TARGET_P99_MS = 5;
const TARGET_RATIO = 1.5;
const TARGET_P99_NEAR_BEST_MS = 10;

type Load = 'tandem' | 'classic' | 'near best' | 'classic near best';

/**
 * How long messages across two instances take: at a rate that both contenders carry, and near the most that Tandem
 * carries, offered to the peer as well: what of it is the machine's shows there.
 */
export async function runLatencyScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const ratePerSecond = options.ratePerSecond ?? RATE_PER_SECOND;
  const rounds = options.rounds ?? ROUNDS;
  const durationMs = options.durationMs * SHARE_OF_DURATION;
  const common = { instances: 2, pairs, durationMs };
  const open = (rate: number): RoundShape => ({ ...common, loop: { kind: 'open', ratePerSecond: rate } });
  const { result, pinning } = await inField(options, workspace, async (field) => {
    const best = rateOf(await runRound(field, 'tandem', { ...common, loop: { kind: 'closed', awaits: 'delivery' } }));
    const shapes: Record<Load, () => Promise<Round>> = {
      tandem: () => runRound(field, 'tandem', open(ratePerSecond)),
      classic: () => runRound(field, 'classic', open(ratePerSecond)),
      'near best': () => runRound(field, 'tandem', open(best * SHARE_OF_BEST)),
      'classic near best': () => runRound(field, 'classic', open(best * SHARE_OF_BEST)),
    };
    const loads = Object.keys(shapes) as Load[]; // Keys of a record are its type's.
    const found = await inTurn<Load, Round>(loads, rounds, (load) => shapes[load]());
    return { best, found };
  });
  const { best, found } = result;
  const of = (load: Load): readonly Round[] => found.get(load) ?? [];
  return {
    title: `latency: open loop, ${pairs} pairs across two instances, ${rounds} rounds of ${durationMs / 1000} s in turn`,
    comparison: roundTable(
      new Map([
        [`${LABELS.tandem}, ${ratePerSecond}/s`, of('tandem')],
        [`${LABELS.classic}, ${ratePerSecond}/s`, of('classic')],
        [`${LABELS.tandem}, ${SHARE_OF_BEST * 100} % of its best`, of('near best')],
        [`${LABELS.classic}, the same rate`, of('classic near best')],
      ]),
    ),
    figures: figuresOf(best, of, pairs === PAIRS && ratePerSecond === RATE_PER_SECOND),
    notes: [pinning],
  };
}

function figuresOf(best: number, of: (load: Load) => readonly Round[], isTarget: boolean): Figure[] {
  const p99 = median(of('tandem').map(p99Of));
  const ratio = p99 / median(of('classic').map(p99Of));
  const nearBest = median(of('near best').map(p99Of));
  const classicNearBest = median(of('classic near best').map(p99Of));
  return [
    { name: 'best of Tandem, closed loop', value: `${rounded(best)} /s` },
    {
      name: 'p99 of Tandem',
      value: milliseconds(p99),
      ...(isTarget && { target: { text: `${TARGET_P99_MS} ms or less`, isReached: p99 <= TARGET_P99_MS } }),
    },
    {
      name: `p99, Tandem to ${LABELS.classic}`,
      value: rounded(ratio),
      ...(isTarget && { target: { text: `${TARGET_RATIO} or less`, isReached: ratio <= TARGET_RATIO } }),
    },
    {
      name: `p99 of Tandem at ${SHARE_OF_BEST * 100} % of its best`,
      value: milliseconds(nearBest),
      ...(isTarget && {
        target: { text: `below ${TARGET_P99_NEAR_BEST_MS} ms`, isReached: nearBest < TARGET_P99_NEAR_BEST_MS },
      }),
    },
    { name: `p99 of ${LABELS.classic} at the same rate`, value: milliseconds(classicNearBest) },
  ];
}
