import { Closers } from '../closers.ts';
import type { LoadResult, Plan } from '../engine/plan.ts';
import { generate } from '../generator-process.ts';
import { startContender, type Contender, type ContenderName, type Field } from './contenders.ts';

export const BODY_BYTES = 100;
/** Servers begin anew in each round, and their compiler has to see the hot path some ten thousand times. */
const WARMUP_MS = 3_000;
const SETTLE_DEADLINE_MS = 10_000;

export interface RoundShape {
  readonly instances: number;
  readonly pairs: number;
  readonly loop: Plan['loop'];
  readonly durationMs: number;
  readonly warmupMs?: number;
  /** Which servers pairs are spread over; A on the first and B on the last unless given. */
  readonly isInTurn?: boolean;
}

/** What one contender did in one round. */
export interface Round {
  readonly load: LoadResult;
  /** Microseconds for each message that arrived within the window; null where there is no /proc. */
  readonly micros: Record<'servers' | 'redis' | 'postgres' | 'generator', number | null>;
  /** Of the one processor of the servers, from 0 to 1: near 1 they are what was measured. */
  readonly serverCores: number | null;
  /** All servers together. */
  readonly peakBytes: number | null;
}

/** One round of a contender that is started for it, and ended. */
export async function runRound(field: Field, name: ContenderName, shape: RoundShape): Promise<Round> {
  const closers = new Closers();
  try {
    return await loadContender(field, await startContender(field, name, shape.instances, closers), shape);
  } finally {
    await closers.closeAll();
  }
}

/** Pairs whose A is on the first server and whose B is on the last. */
export async function loadContender(field: Field, contender: Contender, shape: RoundShape): Promise<Round> {
  const { servers, redis, databaseUrl } = contender;
  const [sending, receiving] = [servers[0], servers.at(-1)];
  if (sending === undefined || receiving === undefined) throw new Error('a contender has servers');
  const load = await generate(
    {
      address: sending.address,
      receiverAddress: receiving.address,
      ...(shape.isInTurn === true && { addresses: servers.map(({ address }) => address) }),
      serverPid: sending.pid,
      watched: {
        servers: servers.map(({ pid }) => pid),
        redis: [redis.pid],
        postgres: databaseUrl === null ? [] : [field.postgresPid],
      },
      loop: shape.loop,
      pairs: shape.pairs,
      durationMs: shape.durationMs,
      warmupMs: shape.warmupMs ?? WARMUP_MS,
      bodyBytes: BODY_BYTES,
      settleDeadlineMs: SETTLE_DEADLINE_MS,
    },
    field.workspace.signal,
  );
  return roundOf(load);
}

function roundOf(load: LoadResult): Round {
  const seconds = load.windowMs / 1000;
  const delivered = load.perSecond.received * seconds;
  const cpuOf = (group: string): number | null => load.watched[group]?.cpuSeconds ?? null;
  const micros = (cpuSeconds: number | null): number | null =>
    cpuSeconds === null || delivered === 0 ? null : (cpuSeconds * 1e6) / delivered;
  const servers = cpuOf('servers');
  return {
    load,
    micros: {
      servers: micros(servers),
      redis: micros(cpuOf('redis')),
      postgres: micros(cpuOf('postgres')),
      generator: micros(load.generatorCores * seconds),
    },
    serverCores: servers === null ? null : servers / seconds,
    peakBytes: load.watched['servers']?.peakBytes ?? null,
  };
}
