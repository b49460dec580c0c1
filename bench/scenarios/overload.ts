import { median, rounded, tallyText, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { inField } from '../peers/field.ts';
import { rateOf, roundTable } from '../peers/round-table.ts';
import { runRound, type Round } from '../peers/round.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const PAIRS = 200;
const ROUNDS = 2;
const SHARE_OF_DURATION = 0.6;
const TIMES_BEST = 1.5;
const TARGET_SHARE = 0.9;
/** What a server says to what it can't do now. */
const WORDS = ['UNAVAILABLE', 'RATE_LIMITED'];

/** Tandem, offered more than it can carry: what it still does, and what becomes of the rest. */
export async function runOverloadScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const rounds = options.rounds ?? ROUNDS;
  const common = { instances: 2, pairs, durationMs: options.durationMs * SHARE_OF_DURATION };
  const { result, pinning } = await inField(options, workspace, async (field) => {
    const best: Round[] = [];
    const over: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      best.push(await runRound(field, 'tandem', { ...common, loop: { kind: 'closed', awaits: 'delivery' } }));
      const ratePerSecond = TIMES_BEST * Math.max(...best.map(rateOf));
      over.push(await runRound(field, 'tandem', { ...common, loop: { kind: 'open', ratePerSecond } }));
    }
    return { best, over };
  });
  const { best, over } = result;
  return {
    title: `overload: open loop, ${TIMES_BEST} times of what the closed loop carried, ${pairs} pairs across two instances, ${rounds} rounds in turn`,
    comparison: roundTable(
      new Map([
        ['closed loop', best],
        [`${TIMES_BEST} times of it offered`, over],
      ]),
    ),
    figures: figuresOf(best, over),
    notes: [pinning],
  };
}

function figuresOf(best: readonly Round[], over: readonly Round[]): Figure[] {
  const share = median(over.map(rateOf)) / median(best.map(rateOf));
  const sum = (read: (round: Round) => number): number => over.reduce((total, round) => total + read(round), 0);
  const inWords = sum(({ load }) => WORDS.reduce((total, word) => total + (load.errors[word] ?? 0), 0));
  const sent = sum(({ load }) => load.counts.sent);
  const rest = sum(({ load: { counts } }) => counts.refused + counts.unanswered) - inWords;
  return [
    {
      name: 'delivered, offered too much, of its best',
      value: rounded(share),
      target: { text: `${TARGET_SHARE} or more`, isReached: share >= TARGET_SHARE },
    },
    { name: 'acknowledged', value: `${sum(({ load }) => load.counts.acknowledged)} of ${sent} sent` },
    { name: `refused by ${WORDS.join(' or ')}`, value: String(inWords) },
    {
      name: 'refused otherwise, or never answered',
      value: String(rest),
      target: { text: '0', isReached: rest === 0 },
    },
    {
      name: 'lost of what was acknowledged',
      value: String(sum(({ load }) => load.counts.lost)),
      target: { text: '0', isReached: sum(({ load }) => load.counts.lost) === 0 },
    },
    { name: 'errors', value: over.map(({ load }) => tallyText(load.errors)).join('; ') },
  ];
}
