import type pg from 'pg';
import { Random } from '../../test/support/random.ts';
import { Samples, type Summary } from '../engine/samples.ts';
import { milliseconds, rounded, type Figure } from '../figures.ts';
import { openBenchDatabase, type BenchDatabase } from '../history/database.ts';
import { fillArchive } from '../history/fill.ts';
import { undoIndexMigration } from '../history/index-migration.ts';
import {
  analyticsSummary,
  COUNTED_SUMMARY,
  historyPage,
  readChoice,
  sessionList,
  sessionsOfUser,
  type Choice,
  type Question,
} from '../history/questions.ts';
import type { Options } from '../options.ts';

const SESSIONS = 100_000;
const MESSAGES = 1_000_000;
const SEED = 1;
const CALLS = 5000;
const WARM_UP_CALLS = 1000;
/** Without indexes a call takes long: then so many milliseconds decide, and a least number of calls. */
const BUDGET_MS = 8000;
const LEAST_CALLS = 50;
const COUNTED_CALLS = 5;
const TIMES_FASTER = 10;
const COUNTED_DAYS = 90;
const DAY_MS = 86_400_000;

type Name = 'history page' | 'sessions of a user' | 'session list' | 'analytics summary';
/** By the name of the statement. */
type Plans = ReadonlyMap<string, readonly string[]>;
type Measured = ReadonlyMap<Name, { readonly summary: Summary; readonly plans: Plans }>;

const TARGETS: ReadonlyMap<Name, number> = new Map([
  ['history page', 10],
  ['sessions of a user', 10],
  ['analytics summary', 50],
]);

/** The questions that read the archive, of a large one, through the store; then the same with indexes taken away. */
export async function runHistoryScenario(
  options: Options,
  signal: AbortSignal,
): Promise<{ title: string; figures: Figure[]; notes: string[] }> {
  const archive = { sessions: options.sessions ?? SESSIONS, messages: options.messages ?? MESSAGES };
  const isTarget = archive.sessions === SESSIONS && archive.messages === MESSAGES;
  const database = await openBenchDatabase();
  try {
    const filledAt = performance.now();
    await fillArchive(database.client, archive);
    const fillSeconds = (performance.now() - filledAt) / 1000;
    const questions = questionsOf(await readChoice(database.client));

    const asMigrated = await measureAll(database, questions, signal);
    const counted = await measureCounted(database.client, signal);
    const dropped = await undoIndexMigration(database.client);
    const undone = await measureAll(database, questions, signal);
    // What these two are answered by is part of their tables, and was there before the migration of indexes.
    await database.client.query('alter table messages drop constraint messages_pkey');
    await database.client.query('drop index if exists messages_recent');
    await database.client.query('alter table daily_analytics drop constraint daily_analytics_pkey');
    const bare = await measureAll(database, only(questions, 'history page', 'analytics summary'), signal);

    return {
      title:
        `history: ${archive.messages.toLocaleString('en-US')} messages in ` +
        `${archive.sessions.toLocaleString('en-US')} sessions, one caller, random arguments`,
      figures: [
        { name: 'filled in', value: `${rounded(fillSeconds)} s` },
        ...[...asMigrated].flatMap(([name, { summary }]) => latencyFigures(name, summary, isTarget)),
        ...ratioFigures('migration of indexes undone', asMigrated, undone, isTarget),
        ...ratioFigures('and without the primary keys of messages and of days', asMigrated, bare, false),
        { name: 'without the sums of each day', value: '' },
        {
          name: '  analytics summary, counted from the tables',
          value: `p50 ${milliseconds(counted)}: ${ratioOf(counted, asMigrated.get('analytics summary')?.summary.p50)} by p50`,
        },
      ],
      notes: [
        `The migration of indexes: ${dropped.join(', ')}`,
        ...plansOf('as migrated', asMigrated),
        ...plansOf('migration of indexes undone', undone),
        ...plansOf('and without the primary keys of messages and of days', bare),
      ],
    };
  } finally {
    await database.close();
  }
}

function questionsOf(choice: Choice): ReadonlyMap<Name, Question> {
  return new Map<Name, Question>([
    ['history page', historyPage(choice)],
    ['sessions of a user', sessionsOfUser(choice)],
    ['session list', sessionList(choice)],
    ['analytics summary', analyticsSummary()],
  ]);
}

function only(questions: ReadonlyMap<Name, Question>, ...names: Name[]): ReadonlyMap<Name, Question> {
  return new Map([...questions].filter(([name]) => names.includes(name)));
}

async function measureAll(
  database: BenchDatabase,
  questions: ReadonlyMap<Name, Question>,
  signal: AbortSignal,
): Promise<Measured> {
  const asked = await database.openStore();
  try {
    const measured = new Map<Name, { summary: Summary; plans: Plans }>();
    for (const [name, question] of questions) {
      const random = new Random(SEED);
      const ask = () => question(asked.store, random);
      await timed(ask, WARM_UP_CALLS, signal);
      measured.set(name, { summary: await timed(ask, CALLS, signal), plans: await asked.explainAsked() });
    }
    return measured;
  } finally {
    await asked.close();
  }
}

async function measureCounted(client: pg.Client, signal: AbortSignal): Promise<number> {
  const until = new Date();
  const values = [new Date(until.getTime() - COUNTED_DAYS * DAY_MS), until];
  return (await timed(() => client.query(COUNTED_SUMMARY, values), COUNTED_CALLS, signal)).p50;
}

async function timed(ask: () => Promise<unknown>, calls: number, signal: AbortSignal): Promise<Summary> {
  const samples = new Samples();
  const endAt = performance.now() + BUDGET_MS;
  for (let call = 0; call < calls && (call < LEAST_CALLS || performance.now() < endAt); call += 1) {
    const askedAt = performance.now();
    await ask();
    samples.add(performance.now() - askedAt);
    signal.throwIfAborted();
  }
  const summary = samples.summary();
  if (summary === null) throw new Error('Nothing was asked');
  return summary;
}

function latencyFigures(name: Name, { p50, p99, max }: Summary, isTarget: boolean): Figure[] {
  const target = TARGETS.get(name);
  const value = `p50 ${rounded(p50)}  p99 ${rounded(p99)}  max ${rounded(max)} ms`;
  if (target === undefined || !isTarget) return [{ name, value }];
  return [{ name, value, target: { text: `p99 below ${target} ms`, isReached: p99 < target } }];
}

function ratioFigures(what: string, before: Measured, after: Measured, isTarget: boolean): Figure[] {
  const figures = [...after].map(([name, { summary }]): Figure => {
    const was = before.get(name)?.summary;
    const ratio = summary.p50 / (was?.p50 ?? NaN);
    return {
      name: `  ${name}`,
      value:
        `p50 ${rounded(summary.p50)}  p99 ${rounded(summary.p99)} ms (${summary.count} calls): ` +
        `${ratioOf(summary.p50, was?.p50)} by p50, ${ratioOf(summary.p99, was?.p99)} by p99`,
      ...(isTarget &&
        TARGETS.has(name) && { target: { text: `${TIMES_FASTER} times by p50`, isReached: ratio >= TIMES_FASTER } }),
    };
  });
  return [{ name: what, value: '' }, ...figures];
}

function ratioOf(slow: number, fast: number | undefined): string {
  return `${rounded(slow / (fast ?? NaN))} times`;
}

function plansOf(what: string, measured: Measured): string[] {
  return [...measured.values()].flatMap(({ plans }) =>
    [...plans].flatMap(([statement, lines]) => ['', `${statement}, ${what}:`, ...lines.map((line) => `  ${line}`)]),
  );
}
