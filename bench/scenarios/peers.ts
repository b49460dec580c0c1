import { median, rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { LABELS, type ContenderName } from '../peers/contenders.ts';
import { inField, inTurn } from '../peers/field.ts';
import { faultsOf, microsOf, p99Of, rateOf, roundTable } from '../peers/round-table.ts';
import { runRound, type Round, type RoundShape } from '../peers/round.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const CONTENDERS = ['tandem', 'classic', 'sharded', 'guarded'] as const satisfies readonly ContenderName[];
const PAIRS = 200;
const ROUNDS = 4;
/** Of `--duration`: many rounds of fresh processes say more than few long ones. */
const SHARE_OF_DURATION = 0.4;
const P99_BOUND_MS = 50;

const CPU_TARGETS: Partial<Record<ContenderName, number>> = { classic: 0.9, guarded: 0.65 };
const RATE_TARGETS: Partial<Record<ContenderName, number>> = { classic: 1.1, guarded: 1.5 };

/** Messages across two instances as fast as they go: Tandem, with all that it promises, against relays. */
export async function runPeersScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const rounds = options.rounds ?? ROUNDS;
  const shape: RoundShape = {
    instances: 2,
    pairs,
    loop: { kind: 'closed', awaits: 'delivery' },
    durationMs: options.durationMs * SHARE_OF_DURATION,
  };
  const { result, pinning } = await inField(options, workspace, (field) =>
    inTurn(CONTENDERS, rounds, (name) => runRound(field, name, shape)),
  );
  return {
    title:
      `peers: closed loop, ${pairs} pairs across two instances, 100 bytes, ${rounds} rounds of ` +
      `${shape.durationMs / 1000} s in turn, Redis with appendfsync ${options.appendfsync}`,
    comparison: roundTable(new Map([...result].map(([name, found]) => [LABELS[name], found]))),
    figures: figuresOf(result, pairs === PAIRS && rounds >= ROUNDS),
    notes: ['Median (least–most) of all rounds.', pinning],
  };
}

/** Medians against medians. */
function figuresOf(results: ReadonlyMap<ContenderName, readonly Round[]>, isTarget: boolean): Figure[] {
  const tandem = results.get('tandem') ?? [];
  const isPrompt = median(tandem.map(p99Of)) < P99_BOUND_MS;
  const faults = tandem.reduce((sum, round) => sum + faultsOf(round), 0);
  return [
    ...[...results].flatMap(([name, peer]): Figure[] => {
      if (name === 'tandem') return [];
      const cpu = median(tandem.map(microsOf)) / median(peer.map(microsOf));
      const rate = median(tandem.map(rateOf)) / median(peer.map(rateOf));
      const [cpuTarget, rateTarget] = [CPU_TARGETS[name], RATE_TARGETS[name]];
      return [
        {
          name: `CPU of servers, Tandem to ${LABELS[name]}`,
          value: rounded(cpu),
          ...(isTarget && cpuTarget && { target: { text: `${cpuTarget} or less`, isReached: cpu <= cpuTarget } }),
        },
        {
          name: `delivered, Tandem to ${LABELS[name]}`,
          value: rounded(rate),
          ...(isTarget &&
            rateTarget && {
              target: {
                text: `${rateTarget} or more, p99 of Tandem below ${P99_BOUND_MS} ms`,
                isReached: rate >= rateTarget && isPrompt,
              },
            }),
        },
      ];
    }),
    { name: 'faults of Tandem', value: String(faults), target: { text: '0', isReached: faults === 0 } },
  ];
}
