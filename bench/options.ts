import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, types } from 'node:util';

export const SCENARIO_NAMES = [
  'start',
  'pair',
  'fifty',
  'open500',
  'cross',
  'relay',
  'history',
  'archive',
  'tokens',
  'logins',
  'timing',
  'observability',
  'drain',
  'peers',
  'latency',
  'overload',
  'together',
  'seats',
  'resumes',
  'growth',
  'redis',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];
/** What is run when nothing is named: the figures that a change of the hot path moves, in less than five minutes. */
export const SHORT_SCENARIOS: readonly ScenarioName[] = ['fifty', 'peers', 'latency', 'redis'];
const ALL = 'all';
export const FSYNCS = ['everysec', 'always', 'no'] as const;
export type Fsync = (typeof FSYNCS)[number];
export const FORMATS = ['text', 'markdown', 'json'] as const;
export type Format = (typeof FORMATS)[number];

/** They measure parts of the server, run from the source. */
const WITHOUT_SERVER: readonly ScenarioName[] = ['history', 'archive', 'tokens'];

export interface Options {
  scenarios: readonly ScenarioName[];
  durationMs: number;
  /** Null: as the scenario says. */
  pairs: number | null;
  ratePerSecond: number | null;
  sessions: number | null;
  messages: number | null;
  rounds: number | null;
  /** How often the Redis of the contenders forces its log of writes to the disk. */
  appendfsync: Fsync;
  format: Format;
  /** JavaScript file of the built server. */
  serverScript: string;
}

export const USAGE = `usage: npm run bench -- [${ALL} | ${SCENARIO_NAMES.join(' | ')}] [--duration <s>] [--pairs <n>] [--rate <n>] [--sessions <n>] [--messages <n>] [--rounds <n>] [--appendfsync ${FSYNCS.join(' | ')}] [--format ${FORMATS.join(' | ')}] [--server <file>]`;

const BUILT_SERVER = fileURLToPath(new URL('../dist/server/main.js', import.meta.url));

/** What the user typed cannot be run; the message says why. */
export class UsageError extends Error {}

/** Throws `UsageError`. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseWords(args);
  const serverScript = values.server === undefined ? BUILT_SERVER : resolve(values.server);
  const scenarios = scenariosOf(positionals);
  if (scenarios.some((name) => !WITHOUT_SERVER.includes(name)) && !existsSync(serverScript)) {
    throw new UsageError(`expected the built server at ${serverScript}: npm run build`);
  }
  return {
    scenarios,
    durationMs: positive('--duration', values.duration) * 1000,
    pairs: values.pairs === undefined ? null : whole('--pairs', values.pairs),
    ratePerSecond: values.rate === undefined ? null : positive('--rate', values.rate),
    sessions: values.sessions === undefined ? null : whole('--sessions', values.sessions),
    messages: values.messages === undefined ? null : whole('--messages', values.messages),
    rounds: values.rounds === undefined ? null : whole('--rounds', values.rounds),
    appendfsync: fsyncName(values.appendfsync),
    format: formatName(values.format),
    serverScript,
  };
}

function scenariosOf(words: readonly string[]): readonly ScenarioName[] {
  if (words.length === 0) return SHORT_SCENARIOS;
  return words.includes(ALL) ? SCENARIO_NAMES : words.map(scenarioName);
}

function parseWords(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        duration: { type: 'string', default: '10' },
        pairs: { type: 'string' },
        rate: { type: 'string' },
        sessions: { type: 'string' },
        messages: { type: 'string' },
        rounds: { type: 'string' },
        appendfsync: { type: 'string', default: 'everysec' },
        format: { type: 'string', default: 'text' },
        server: { type: 'string' },
      },
    });
  } catch (cause) {
    throw new UsageError(types.isNativeError(cause) ? cause.message : 'unreadable options', { cause });
  }
}

function scenarioName(word: string): ScenarioName {
  const name = SCENARIO_NAMES.find((known) => known === word);
  if (name === undefined)
    throw new UsageError(`expected a scenario (${[ALL, ...SCENARIO_NAMES].join(', ')}), got ${word}`);
  return name;
}

function fsyncName(word: string): Fsync {
  const fsync = FSYNCS.find((known) => known === word);
  if (fsync === undefined) throw new UsageError(`expected ${FSYNCS.join(', ')} for --appendfsync, got ${word}`);
  return fsync;
}

function formatName(word: string): Format {
  const format = FORMATS.find((known) => known === word);
  if (format === undefined) throw new UsageError(`expected a format (${FORMATS.join(', ')}), got ${word}`);
  return format;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new UsageError(`expected a number above 0 for ${option}, got ${text}`);
  return value;
}

function whole(option: string, text: string): number {
  const value = positive(option, text);
  if (!Number.isInteger(value)) throw new UsageError(`expected a whole number for ${option}, got ${text}`);
  return value;
}
