import { Closers } from '../closers.ts';
import { median, rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { startContender, type Contender, type Field } from '../peers/contenders.ts';
import { inField, inTurn } from '../peers/field.ts';
import { microsOf, roundTable } from '../peers/round-table.ts';
import { loadContender, type Round, type RoundShape } from '../peers/round.ts';
import type { Report } from '../report.ts';
import { takeSeats } from '../seats/take-seats.ts';
import type { Workspace } from '../workspace.ts';

const [FEW, SOME, MANY] = [10, 200, 5_000];
const IDLE_SESSIONS = 100_000;
const AT_ONCE = 50;
const RATE_PER_SECOND = 2_000;
const ROUNDS = 3;
const SHARE_OF_DURATION = 0.4;
const TARGET_PERCENT = 15;
/** Sessions that everybody has left are meant to be still there when it is measured. */
const LONG_LIVES = {
  CODE_TTL: '24h',
  PARTICIPANT_GRACE: '24h',
  SESSION_IDLE_WARNING: '24h',
  SESSION_IDLE_TIMEOUT: '36h',
  SESSION_TTL: '48h',
};

interface Compared {
  readonly name: string;
  readonly smaller: readonly Round[];
  readonly larger: readonly Round[];
}

/** CPU per message at one rate, when there is more of everything else. What is compared takes turns. */
export async function runGrowthScenario(options: Options, workspace: Workspace): Promise<Report> {
  const rounds = options.rounds ?? ROUNDS;
  const many = options.pairs ?? MANY;
  const idleSessions = options.sessions ?? IDLE_SESSIONS;
  const ratePerSecond = options.ratePerSecond ?? RATE_PER_SECOND;
  const durationMs = options.durationMs * SHARE_OF_DURATION;
  const shape = (pairs: number): RoundShape => ({
    ...{ instances: 2, pairs, durationMs, isInTurn: true },
    loop: { kind: 'open', ratePerSecond },
  });
  const { result, pinning } = await inField(options, workspace, async (field, closers) => {
    const plain = await startContender(field, 'tandem', 2, closers);
    const pairs = await compare(`pairs: ${FEW}, ${many}`, rounds, {
      smaller: () => loadContender(field, plain, shape(FEW)),
      larger: () => loadContender(field, plain, shape(many)),
    });
    const beside = (name: string, start: (own: Closers) => Promise<Contender>): Promise<Compared> =>
      besidePlain(field, plain, name, rounds, shape(SOME), start);
    return [
      pairs,
      await beside(`idle sessions: 0, ${idleSessions}`, async (own) => {
        const full = await startContender(field, 'tandem', 2, own, LONG_LIVES);
        await fill(full, idleSessions, workspace.signal);
        return full;
      }),
      await beside('instances: 2, 4', (own) => startContender(field, 'tandem', 4, own)),
    ];
  });
  return {
    title: `growth: open loop, ${ratePerSecond}/s, ${rounds} rounds of ${durationMs / 1000} s in turn`,
    comparison: roundTable(
      new Map(
        result.flatMap(({ name, smaller, larger }): [string, readonly Round[]][] => [
          [`${name}: first`, smaller],
          [`${name}: second`, larger],
        ]),
      ),
    ),
    figures: result.map((compared) => figureOf(compared, many === MANY && idleSessions === IDLE_SESSIONS)),
    notes: [pinning],
  };
}

async function besidePlain(
  field: Field,
  plain: Contender,
  name: string,
  rounds: number,
  shape: RoundShape,
  start: (closers: Closers) => Promise<Contender>,
): Promise<Compared> {
  const closers = new Closers();
  try {
    const other = await start(closers);
    return await compare(name, rounds, {
      smaller: () => loadContender(field, plain, shape),
      larger: () => loadContender(field, other, shape),
    });
  } finally {
    await closers.closeAll();
  }
}

async function compare(
  name: string,
  rounds: number,
  run: Record<'smaller' | 'larger', () => Promise<Round>>,
): Promise<Compared> {
  // The first of each sees servers that have not been loaded yet.
  const found = await inTurn(['smaller', 'larger'] as const, rounds + 1, (which) => run[which]());
  return { name, smaller: found.get('smaller')?.slice(1) ?? [], larger: found.get('larger')?.slice(1) ?? [] };
}

/** Pairs that come, and leave by losing their connections. */
async function fill({ servers }: Contender, sessions: number, signal: AbortSignal): Promise<void> {
  const [address = '', guestAddress = ''] = servers.map((server) => server.address);
  const seats = await takeSeats({ address, guestAddress, pairs: sessions, atOnce: AT_ONCE, isStaying: false }, signal);
  await seats.end();
}

function figureOf({ name, smaller, larger }: Compared, isTarget: boolean): Figure {
  const percent = (median(larger.map(microsOf)) / median(smaller.map(microsOf)) - 1) * 100;
  return {
    name: `more CPU per message, ${name}`,
    value: `${percent < 0 ? '-' : ''}${rounded(Math.abs(percent))} %`,
    ...(isTarget && { target: { text: `${TARGET_PERCENT} % or less`, isReached: percent <= TARGET_PERCENT } }),
  };
}
