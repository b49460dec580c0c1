import { setTimeout as delay } from 'node:timers/promises';
import { openDurable } from '../../server/durable/open-durable.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { ArchiverChild } from '../archive/archiver-child.ts';
import { HotSessions, type HotSession } from '../archive/hot-sessions.ts';
import { Meter, type Spent } from '../archive/meter.ts';
import { LOOK_MS, talk, type Talked } from '../archive/talk.ts';
import { Closers } from '../closers.ts';
import { milliseconds, percentiles, rounded, type Figure } from '../figures.ts';
import { openBenchDatabase } from '../history/database.ts';
import type { Options } from '../options.ts';
import type { Report } from '../report.ts';

const BACKLOG_SESSIONS = 500;
const BACKLOG_MESSAGES = 50_000;
const PAIRS = 100;
const RATE_PER_SECOND = 2000;
const TARGET_PER_CPU_SECOND = 5000;
const TARGET_LAG_P99_MS = 250;
const AT_ONCE = 200;

/** How fast the archiver, in a process of its own, moves messages from Redis (AOF always) into Postgres. */
export async function runArchiveScenario(options: Options, signal: AbortSignal): Promise<Report> {
  const backlog = { sessions: options.sessions ?? BACKLOG_SESSIONS, messages: options.messages ?? BACKLOG_MESSAGES };
  const pairs = options.pairs ?? PAIRS;
  const ratePerSecond = options.ratePerSecond ?? RATE_PER_SECOND;
  const closers = new Closers();
  try {
    const redis = await startRedis({ appendonly: 'always' });
    closers.add(() => redis.stop());
    const database = await openBenchDatabase();
    closers.add(() => database.close());
    const config = { dataDir: '', database: externalPostgres(database.url) };
    const durable = await openDurable(config, { onEvent: () => undefined });
    closers.add(() => durable.close());
    const hot = await HotSessions.open(redis.url, durable);
    closers.add(() => hot.close());

    const waiting = await makeSessions(hot, 0, backlog.sessions);
    await fillBacklog(hot, waiting, backlog.messages, signal);
    const archiver = await ArchiverChild.open({ redisUrl: redis.url, databaseUrl: database.url, prefix: hot.prefix });
    closers.add(() => archiver.stop());
    const meter = new Meter(archiver.pid, redis.pid, database);
    const stopMeter = await meter.start();
    archiver.start();
    await drained(hot, waiting, backlog.messages, archiver, signal);
    const drainSpent = await stopMeter();

    const sessions = await makeSessions(hot, backlog.sessions, pairs);
    const load = { sessions, ratePerSecond, durationMs: options.durationMs };
    const talked = await talk(hot, load, archiver, meter, signal);
    const { rows } = await database.client.query<{ stored: number }>('select count(*)::int as stored from messages');
    const stored = rows[0]?.stored ?? 0;
    const expected = backlog.messages + talked.appended;
    return {
      title:
        `archive: a backlog of ${backlog.messages.toLocaleString('en-US')} messages in ${backlog.sessions} sessions; ` +
        `then ${ratePerSecond} messages/s over ${pairs} sessions, ${options.durationMs / 1000} s`,
      figures: [
        ...drainFigures(
          drainSpent,
          backlog.messages,
          backlog.sessions === BACKLOG_SESSIONS && backlog.messages === BACKLOG_MESSAGES,
        ),
        ...talkFigures(talked, pairs === PAIRS && ratePerSecond === RATE_PER_SECOND),
        {
          name: 'in Postgres at the end',
          value: `${stored} of ${expected}`,
          target: { text: 'all', isReached: stored === expected },
        },
      ],
    };
  } finally {
    await closers.closeAll();
  }
}

async function makeSessions(hot: HotSessions, first: number, count: number): Promise<HotSession[]> {
  const sessions: HotSession[] = [];
  while (sessions.length < count) {
    const [from, size] = [first + sessions.length, Math.min(AT_ONCE, count - sessions.length)];
    sessions.push(...(await Promise.all(Array.from({ length: size }, (_, index) => hot.pair(from + index)))));
  }
  return sessions;
}

/** In turn, as if all of them had been talking while nobody archived. */
async function fillBacklog(
  hot: HotSessions,
  sessions: readonly HotSession[],
  messages: number,
  signal: AbortSignal,
): Promise<void> {
  let given = 0;
  while (given < messages) {
    signal.throwIfAborted();
    const start = given % sessions.length;
    const next = sessions.slice(start, start + Math.min(AT_ONCE, messages - given));
    await Promise.all(next.map((session) => hot.append(session)));
    given += next.length;
  }
}

async function drained(
  hot: HotSessions,
  sessions: readonly HotSession[],
  messages: number,
  archiver: ArchiverChild,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const seqs = await hot.durableSeqs(sessions);
    if (seqs.reduce((sum, seq) => sum + seq, 0) >= messages) return;
    if (!archiver.isRunning) throw new Error('the archiver ended; see its message above');
    await delay(LOOK_MS, undefined, { signal });
  }
}

function drainFigures({ seconds, cpu }: Spent, messages: number, isDefault: boolean): Figure[] {
  const { archiver, redis, postgres } = cpu;
  const together = archiver === null || redis === null || postgres === null ? null : archiver + redis + postgres;
  const perCpuSecond = archiver === null ? null : messages / archiver;
  return [
    { name: 'backlog, messages per second', value: `${rounded(messages / seconds)} /s, all in ${rounded(seconds)} s` },
    {
      name: 'backlog, messages per CPU second of the archiver',
      value: perCpuSecond === null ? 'not measured (needs /proc)' : rounded(perCpuSecond),
      ...(isDefault &&
        perCpuSecond !== null && {
          target: {
            text: `${TARGET_PER_CPU_SECOND.toLocaleString('en-US')} or more`,
            isReached: perCpuSecond >= TARGET_PER_CPU_SECOND,
          },
        }),
    },
    {
      name: 'backlog, per CPU second of archiver, Redis and Postgres together',
      value: together === null ? 'not measured (needs /proc)' : rounded(messages / together),
    },
    { name: 'backlog, cores', value: coresText({ seconds, cpu }) },
  ];
}

function talkFigures({ ack, lag, appended, notArchived, spent }: Talked, isDefault: boolean): Figure[] {
  const p99 = notArchived > 0 || lag === null ? Infinity : lag.p99;
  return [
    { name: 'appended', value: `${rounded(appended / spent.seconds)} /s` },
    { name: 'append to ack', value: percentiles(ack) },
    { name: 'append to durable', value: percentiles(lag) },
    {
      name: 'append to durable, p99',
      value: Number.isFinite(p99) ? milliseconds(p99) : `${notArchived} were not archived in time`,
      ...(isDefault && { target: { text: `below ${TARGET_LAG_P99_MS} ms`, isReached: p99 < TARGET_LAG_P99_MS } }),
    },
    { name: 'meanwhile, cores', value: coresText(spent) },
  ];
}

function coresText({ seconds, cpu }: Spent): string {
  const cores = (['archiver', 'redis', 'postgres'] as const).map((name) => {
    const spent = cpu[name];
    return `${name} ${spent === null ? 'not measured' : (spent / seconds).toFixed(2)}`;
  });
  return cores.join(', ');
}
