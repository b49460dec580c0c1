import { flood, registerAccounts, type FloodResult } from '../auth/login-flood.ts';
import { loginAttempts, type Account } from '../auth/login-attempts.ts';
import { Closers } from '../closers.ts';
import type { LoadResult } from '../engine/plan.ts';
import { milliseconds, rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import type { Report } from '../report.ts';
import type { RunningServer } from '../server-process.ts';
import { startInstance, startStores } from '../stores.ts';
import type { Workspace } from '../workspace.ts';
import { adjusted, measure, titleOf, type LoadShape } from './load.ts';

const TALK: LoadShape = { name: 'logins', loop: { kind: 'open', ratePerSecond: 1000 }, pairs: 50 };
const LOGINS_PER_SECOND = 50;
const ACCOUNTS = 20;
/** Talk alone and talk with logins take turns, so that a change of the machine's mood meets both. */
const ROUNDS = 2;
/** Of talk alone, before the first round: otherwise that one pays for what Node.js has not compiled yet. */
const WARM_UP_MS = 2000;
const TARGET_P99_MS = 50;
/** Nobody is refused for asking often: the subject is what a password costs those who talk. */
const LIMITS_OFF = {
  RATE_LIMIT_AUTH_POINTS: '0',
  RATE_LIMIT_GENERAL_POINTS: '0',
  RATE_LIMIT_API_POINTS: '0',
};

interface Measured {
  readonly alone: LoadResult[];
  readonly together: LoadResult[];
  readonly floods: FloodResult[];
}

/** What those who talk notice of logins, of which half are wrong: with either kind of stores. */
export async function runLoginsScenario(options: Options, workspace: Workspace): Promise<Report> {
  const shape = adjusted(TALK, options);
  const embedded = await measureEmbedded(shape, options, workspace);
  const external = await measureExternal(shape, options, workspace);
  const isTarget = JSON.stringify(shape) === JSON.stringify(TALK);
  return {
    title: `${titleOf(shape, options.durationMs)}, without and with ${LOGINS_PER_SECOND} logins/s, ${ROUNDS} rounds in turn`,
    figures: [...figuresOf('embedded', embedded, isTarget), ...figuresOf('Redis and Postgres', external, isTarget)],
  };
}

async function measureEmbedded(shape: LoadShape, options: Options, workspace: Workspace): Promise<Measured> {
  const server = await workspace.startInitialisedTandem(LIMITS_OFF);
  try {
    return await measureRounds(shape, server, options.durationMs / ROUNDS, workspace.signal);
  } finally {
    await server.stop();
  }
}

async function measureExternal(shape: LoadShape, options: Options, workspace: Workspace): Promise<Measured> {
  const closers = new Closers();
  try {
    // Its limits are off already.
    const server = await startInstance(options.serverScript, workspace, await startStores(closers));
    closers.add(() => server.stop());
    return await measureRounds(shape, server, options.durationMs / ROUNDS, workspace.signal);
  } finally {
    await closers.closeAll();
  }
}

async function measureRounds(
  shape: LoadShape,
  server: RunningServer,
  durationMs: number,
  signal: AbortSignal,
): Promise<Measured> {
  const accounts = await registerAccounts(server.address, ACCOUNTS, 'bench');
  const measured: Measured = { alone: [], together: [], floods: [] };
  await measure(shape, server, WARM_UP_MS, signal);
  for (let round = 0; round < ROUNDS; round += 1) {
    measured.alone.push(await measure(shape, server, durationMs, signal));
    const { load, logins } = await measureWithLogins(shape, server, accounts, durationMs, signal);
    measured.together.push(load);
    measured.floods.push(logins);
  }
  return measured;
}

/** Logins from before the first connection until after the last message: those counted are more than fit the window. */
async function measureWithLogins(
  shape: LoadShape,
  server: RunningServer,
  accounts: readonly Account[],
  durationMs: number,
  signal: AbortSignal,
): Promise<{ load: LoadResult; logins: FloodResult }> {
  const done = new AbortController();
  const flooding = flood(
    server.address,
    loginAttempts(accounts),
    LOGINS_PER_SECOND,
    AbortSignal.any([signal, done.signal]),
  );
  try {
    const load = await measure(shape, server, durationMs, signal);
    done.abort();
    return { load, logins: await flooding };
  } finally {
    done.abort();
    await flooding;
  }
}

function figuresOf(stores: string, { alone, together, floods }: Measured, isTarget: boolean): Figure[] {
  const p99 = Math.max(...together.map(p99Of));
  const offered = sum(floods, (one) => one.offered);
  const unavailable = sum(floods, (one) => one.unavailable);
  const faults = floods.flatMap((one) => Object.entries(one.faults));
  const lost = sum(together, ({ counts: { lost, doubled, reordered, phantom, unanswered } }) =>
    sum([lost, doubled, reordered, phantom, unanswered], (count) => count),
  );
  return [
    { name: stores, value: '' },
    { name: '  send to receive, without logins', value: alone.map(latencyText).join('; ') },
    { name: '  send to receive, with logins', value: together.map(latencyText).join('; ') },
    {
      name: '  p99 with logins, the worse round',
      value: milliseconds(p99),
      ...(isTarget && { target: { text: `below ${TARGET_P99_MS} ms`, isReached: p99 < TARGET_P99_MS } }),
    },
    { name: '  late to send, without and with', value: [...alone, ...together].map(lateText).join('; ') },
    {
      name: '  logins',
      value:
        `${offered} offered: ${sum(floods, (one) => one.signedIn)} signed in, ${sum(floods, (one) => one.refused)} wrong, ` +
        `${unavailable} UNAVAILABLE (${rounded((100 * unavailable) / offered)} %)`,
    },
    { name: '  login to answer, of those checked', value: floods.map(loginText).join('; ') },
    {
      name: '  server CPU, without and with logins',
      value: `${coresOf(alone)} and ${coresOf(together)} of a core`,
    },
    {
      name: '  faults',
      value: `messages ${lost}, logins ${faults.length === 0 ? 0 : faults.map(([what, count]) => `${what}: ${count}`).join(', ')}`,
      target: { text: '0', isReached: lost === 0 && faults.length === 0 },
    },
    { name: '  errors', value: errorsText([...alone, ...together]) },
  ];
}

function p99Of({ latencyMs }: LoadResult): number {
  return latencyMs.delivery?.p99 ?? Infinity;
}

function latencyText({ latencyMs: { delivery } }: LoadResult): string {
  if (delivery === null) return 'nothing measured';
  return `p50 ${rounded(delivery.p50)}  p99 ${rounded(delivery.p99)}  max ${rounded(delivery.max)} ms`;
}

function lateText({ latencyMs: { sendDelay } }: LoadResult): string {
  return sendDelay === null ? 'nothing sent' : `p99 ${milliseconds(sendDelay.p99)}`;
}

function loginText({ latencyMs }: FloodResult): string {
  return latencyMs === null ? 'none' : `p50 ${rounded(latencyMs.p50)}  p99 ${rounded(latencyMs.p99)} ms`;
}

function coresOf(rounds: readonly LoadResult[]): string {
  const seconds = rounds.map(({ server }) => server.cpuSeconds);
  const used = seconds.reduce((total, one) => (total === null || one === null ? null : total + one), 0);
  return used === null ? 'not measured' : ((used * 1000) / sum(rounds, ({ windowMs }) => windowMs)).toFixed(2);
}

function errorsText(rounds: readonly LoadResult[]): string {
  const entries = rounds.flatMap(({ errors }) => Object.entries(errors));
  return entries.length === 0 ? 'none' : entries.map(([what, count]) => `${what}: ${count}`).join(', ');
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
