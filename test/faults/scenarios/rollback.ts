import type { Random } from '../../support/random.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import type { Arena } from '../arena.ts';
import type { RedisCopy } from '../redis-copy.ts';
import { copyDump, logLength, restartFrom, resyncFrom } from '../redis-copy.ts';
import { readRedisStanding } from '../stores.ts';
import { archived } from './archived.ts';
import { headsOf } from './heads.ts';
import type { Head } from './heads.ts';
import { expectPutOut, putOut } from './put-out.ts';

const NOTICED_WITHIN_MS = 15_000;
/**
 * `earlier`: a dump from before another rollback, of an epoch that is over. `resync`: the same process takes over what
 * another has that was started from the dump, as it does when it is made a replica by mistake.
 */
export const ROLLBACK_KINDS = ['dump', 'log', 'nothing', 'flush', 'earlier', 'resync'] as const;
export type RollbackKind = (typeof ROLLBACK_KINDS)[number];

export interface Rollback {
  readonly kind: RollbackKind;
  readonly isQuiet: boolean;
  /** Sessions of which something acknowledged, or seen, was not in Redis any more. */
  readonly lost: number;
  /** Of these, those that went on as if nothing had happened. */
  readonly missed: number;
}

/** Undoes a part of what Redis has, and looks whether each session of which something is gone went on as it has to. */
export async function rollBack(
  arena: Arena,
  redis: RedisServer,
  kind: RollbackKind,
  random: Random,
  copies: RedisCopy[],
): Promise<Rollback> {
  const isQuiet = random.next() < 0.3;
  const before = await headsOf(arena);
  const mark = performance.now();
  const from = kind === 'log' ? await logLength(redis) : 0;
  if (kind === 'dump' || kind === 'earlier' || kind === 'resync') copies.push(await copyDump(redis));
  const out = random.next() < 0.3 ? await putOut(arena) : null;
  const more = random.below(30);
  if (more > 0) await arena.acknowledgements(more);
  if (isQuiet) {
    // Nobody sends anything until the loss was noticed: what finds it is not an append.
    arena.hush();
    await archived(arena);
  }
  let acknowledged: number[];
  let restored: (Pick<Head, 'epoch' | 'lastSeq'> | null)[] = before.map(() => null);
  if (kind === 'flush') {
    acknowledged = before.map((head) => acknowledgedSince(head, mark));
    // The same process goes on: it is no other Redis by anything that it says of itself.
    await redis.command('FLUSHALL');
  } else {
    if (kind !== 'resync') await redis.kill('SIGKILL');
    // What came back is looked at before an instance can add to it.
    for (const link of arena.deployment.redisLinks) link.refuse(true);
    acknowledged = before.map((head) => acknowledgedSince(head, mark));
    const copy = await chosen(kind, from, redis, random, copies);
    if (kind === 'resync') await resyncFrom(redis, copy);
    else await restartFrom(redis, copy);
    const command = (_key: string, ...args: readonly string[]) => redis.command(...args);
    restored = await Promise.all(before.map(({ pair }) => readRedisStanding(command, pair.sessionId)));
    for (const link of arena.deployment.redisLinks) link.heal();
  }
  const lost = before.filter(({ epoch }, index) => {
    const found = restored[index] ?? null;
    return found === null || found.epoch < epoch || found.lastSeq < (acknowledged[index] ?? 0);
  });
  const missed = await unnoticed(arena, lost);
  await arena.served();
  for (const head of lost) if (!missed.includes(head)) demandTold(arena, head, mark);
  if (out !== null) await expectPutOut(arena, out);
  for (const { pair, epoch } of missed) {
    arena.complaints.push(`${pair.sessionId} goes on under epoch ${epoch} after Redis lost a part of it (${kind})`);
  }
  return { kind, isQuiet, lost: lost.length, missed: missed.length };
}

async function chosen(
  kind: Exclude<RollbackKind, 'flush'>,
  from: number,
  redis: RedisServer,
  random: Random,
  copies: readonly RedisCopy[],
): Promise<RedisCopy> {
  if (kind === 'nothing') return { kind };
  if (kind === 'log') return { kind, length: from + random.below((await logLength(redis)) - from + 1) };
  const latest = copies.at(-1);
  if (latest === undefined) throw new Error('there is no copy');
  return kind !== 'earlier' || copies.length === 1 ? latest : random.pick(copies.slice(0, -1));
}

/** Highest number of the epoch of `head` that a client was answered, or saw. */
function acknowledgedSince({ pair: { host, guest }, epoch, lastSeq }: Head, since: number): number {
  let highest = lastSeq;
  for (const { recorder } of [host, guest]) {
    for (let index = recorder.record.entries.length - 1; index >= 0; index -= 1) {
      const entry = recorder.record.entries[index];
      if (entry === undefined || entry.at < since) break;
      if (entry.kind === 'seen') highest = Math.max(highest, entry.message.seq);
      if (entry.kind === 'ok' && entry.epoch === epoch) highest = Math.max(highest, entry.seq);
    }
  }
  return highest;
}

/** Those that are under the same epoch when there was time enough to notice. */
async function unnoticed(arena: Arena, lost: readonly Head[]): Promise<Head[]> {
  const endsAt = performance.now() + NOTICED_WITHIN_MS;
  for (;;) {
    const now = await headsOf(arena);
    const left = lost.filter(({ pair, epoch }) => now.some((head) => head.pair === pair && head.epoch <= epoch));
    if (left.length === 0 || performance.now() > endsAt) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whoever takes part in a session of which something was lost hears of it. */
function demandTold(arena: Arena, { pair: { host, guest } }: Head, since: number): void {
  for (const { recorder } of [host, guest]) {
    const { client, entries } = recorder.record;
    const isTold = entries.some((entry) => entry.kind === 'reset' && entry.at >= since);
    arena.demand(isTold, () => `${client} was not told that something was lost`);
  }
}

export function summaryOf(done: readonly Rollback[]): string[] {
  const words = (rollbacks: readonly Rollback[]): string => {
    const missed = rollbacks.filter((rollback) => rollback.missed > 0).length;
    const harmless = rollbacks.filter(({ lost }) => lost === 0).length;
    return `${rollbacks.length - missed - harmless} detected, ${harmless} harmless, ${missed} missed`;
  };
  const parts = ROLLBACK_KINDS.map((kind) => `${kind} ${words(done.filter((rollback) => rollback.kind === kind))}`);
  const quiet = done.filter(({ isQuiet }) => isQuiet);
  return [
    `${done.length} rollbacks: ${words(done)}`,
    `by kind: ${parts.join('; ')}`,
    `with nobody sending: ${words(quiet)}`,
  ];
}
