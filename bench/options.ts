import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, types } from 'node:util';

export const SCENARIO_NAMES = ['start', 'pair', 'fifty', 'open500', 'cross', 'relay'] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface Options {
  scenarios: readonly ScenarioName[];
  durationMs: number;
  /** Null: as the scenario says. */
  pairs: number | null;
  ratePerSecond: number | null;
  /** JavaScript file of the built server. */
  serverScript: string;
}

export const USAGE = `usage: npm run bench -- [${SCENARIO_NAMES.join(' | ')}] [--duration <s>] [--pairs <n>] [--rate <n>] [--server <file>]`;

const BUILT_SERVER = fileURLToPath(new URL('../dist/server/main.js', import.meta.url));

/** What the user typed cannot be run; the message says why. */
export class UsageError extends Error {}

/** Throws `UsageError`. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseWords(args);
  const serverScript = values.server === undefined ? BUILT_SERVER : resolve(values.server);
  if (!existsSync(serverScript)) throw new UsageError(`expected the built server at ${serverScript}: npm run build`);
  return {
    scenarios: positionals.length === 0 ? SCENARIO_NAMES : positionals.map(scenarioName),
    durationMs: positive('--duration', values.duration) * 1000,
    pairs: values.pairs === undefined ? null : whole('--pairs', values.pairs),
    ratePerSecond: values.rate === undefined ? null : positive('--rate', values.rate),
    serverScript,
  };
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
        server: { type: 'string' },
      },
    });
  } catch (cause) {
    throw new UsageError(types.isNativeError(cause) ? cause.message : 'unreadable options', { cause });
  }
}

function scenarioName(word: string): ScenarioName {
  const name = SCENARIO_NAMES.find((known) => known === word);
  if (name === undefined) throw new UsageError(`expected a scenario (${SCENARIO_NAMES.join(', ')}), got ${word}`);
  return name;
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
