import { median, rounded } from '../figures.ts';
import type { Options } from '../options.ts';
import { LABELS } from '../peers/contenders.ts';
import { inField, inTurn } from '../peers/field.ts';
import { microsOf, roundTable } from '../peers/round-table.ts';
import { runRound } from '../peers/round.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const CONTENDERS = ['tandem', 'alone'] as const;
const PAIRS = 200;
const ROUNDS = 4;
const SHARE_OF_DURATION = 0.3;
const TARGET_RATIO = 1.6;

/** Both participants of a pair on one instance, against a relay that has but one process and keeps nothing. */
export async function runTogetherScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const rounds = options.rounds ?? ROUNDS;
  const durationMs = options.durationMs * SHARE_OF_DURATION;
  const { result, pinning } = await inField(options, workspace, (field) =>
    inTurn(CONTENDERS, rounds, (name) =>
      runRound(field, name, { instances: 1, pairs, durationMs, loop: { kind: 'closed', awaits: 'delivery' } }),
    ),
  );
  const microsOfContender = (name: 'tandem' | 'alone'): number => median((result.get(name) ?? []).map(microsOf));
  const ratio = microsOfContender('tandem') / microsOfContender('alone');
  return {
    title: `together: closed loop, ${pairs} pairs on one instance, ${rounds} rounds of ${durationMs / 1000} s in turn`,
    comparison: roundTable(new Map([...result].map(([name, rounds]) => [LABELS[name], rounds]))),
    figures: [
      {
        name: `CPU of the server, Tandem to ${LABELS.alone}`,
        value: rounded(ratio),
        ...(pairs === PAIRS && { target: { text: `${TARGET_RATIO} or less`, isReached: ratio <= TARGET_RATIO } }),
      },
    ],
    notes: [pinning],
  };
}
