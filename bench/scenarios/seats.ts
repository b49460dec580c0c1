import { setTimeout as delay } from 'node:timers/promises';
import { Closers } from '../closers.ts';
import { residentBytesOf } from '../engine/process-usage.ts';
import { median, rounded, spreadText, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { LABELS, startContender, type ContenderName, type Field } from '../peers/contenders.ts';
import { inField, inTurn } from '../peers/field.ts';
import type { Report } from '../report.ts';
import { takeSeats } from '../seats/take-seats.ts';
import type { Workspace } from '../workspace.ts';

const CONTENDERS = ['tandem', 'alone'] as const satisfies readonly ContenderName[];
const PAIRS = 5_000;
const ROUNDS = 2;
/** Enough to keep the server busy, few enough not to be a storm. */
const AT_ONCE = 20;
/** Until the garbage of the start, or of connecting, is likely to be gone. */
const SETTLE_MS = 8_000;
const TARGET_BYTES_RATIO = 1.6;
const TARGET_RATE_RATIO = 0.6;

interface Occupied {
  readonly bytesPerParticipant: number;
  readonly perSecond: number;
  readonly generatorCores: number;
}

/** What a participant costs that is there and silent, and how fast participants come. */
export async function runSeatsScenario(options: Options, workspace: Workspace): Promise<Report> {
  const pairs = options.pairs ?? PAIRS;
  const rounds = options.rounds ?? ROUNDS;
  const { result, pinning } = await inField(options, workspace, (field) =>
    inTurn(CONTENDERS, rounds, (name) => occupy(field, name, pairs)),
  );
  return {
    title: `seats: ${2 * pairs} participants on one instance, ${rounds} rounds in turn`,
    figures: figuresOf(result, pairs === PAIRS),
    notes: [pinning],
  };
}

async function occupy(field: Field, name: ContenderName, pairs: number): Promise<Occupied> {
  const closers = new Closers();
  try {
    const { signal } = field.workspace;
    const { servers } = await startContender(field, name, 1, closers);
    const [server] = servers;
    if (server === undefined) throw new Error('one server was started');
    await delay(SETTLE_MS, undefined, { signal });
    const idleBytes = residentBytesOf(server.pid) ?? NaN;
    const { address } = server;
    const plan = { address, guestAddress: address, pairs, atOnce: AT_ONCE, isStaying: true };
    const seats = await takeSeats(plan, signal);
    closers.add(() => seats.end());
    await delay(SETTLE_MS, undefined, { signal });
    const bytes = (residentBytesOf(server.pid) ?? NaN) - idleBytes;
    return {
      bytesPerParticipant: bytes / (2 * pairs),
      perSecond: (2 * pairs * 1000) / seats.elapsedMs,
      generatorCores: seats.cores,
    };
  } finally {
    await closers.closeAll();
  }
}

function figuresOf(results: ReadonlyMap<ContenderName, readonly Occupied[]>, isTarget: boolean): Figure[] {
  const of = (name: ContenderName, read: (occupied: Occupied) => number): number[] =>
    (results.get(name) ?? []).map(read);
  const ratio = (read: (occupied: Occupied) => number): number =>
    median(of('tandem', read)) / median(of('alone', read));
  const bytes = ratio(({ bytesPerParticipant }) => bytesPerParticipant);
  const rate = ratio(({ perSecond }) => perSecond);
  return [
    ...CONTENDERS.flatMap((name): Figure[] => [
      {
        name: `memory for each participant, ${LABELS[name]}`,
        value: spreadText(
          of(name, ({ bytesPerParticipant }) => bytesPerParticipant / 1024),
          'KiB',
        ),
      },
      {
        name: `connected and seated, ${LABELS[name]}`,
        value: spreadText(
          of(name, ({ perSecond }) => perSecond),
          '/s',
        ),
      },
      {
        name: `generator meanwhile, ${LABELS[name]}`,
        value: spreadText(
          of(name, ({ generatorCores }) => generatorCores),
          'cores',
        ),
      },
    ]),
    {
      name: 'memory, Tandem to it',
      value: rounded(bytes),
      ...(isTarget && {
        target: { text: `${TARGET_BYTES_RATIO} or less`, isReached: bytes <= TARGET_BYTES_RATIO },
      }),
    },
    {
      name: 'connected and seated, Tandem to it',
      value: rounded(rate),
      ...(isTarget && { target: { text: `${TARGET_RATE_RATIO} or more`, isReached: rate >= TARGET_RATE_RATIO } }),
    },
  ];
}
