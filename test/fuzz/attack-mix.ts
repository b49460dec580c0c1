import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../protocol/limits.ts';
import { runScript } from '../support/child-script.ts';
import { limit, type Environment } from '../support/environment.ts';
import type { SpawnedServer } from '../support/spawned-server.ts';
import { GoodPair, percentile } from './good-pair.ts';

/** 40 messages a second, below the limit of commands: 1,200 of them make a 99th percentile that does not hang on one. */
const EVERY_MS = 25;
const MESSAGE_LIMITS = ['messages_user', 'messages_ip', 'messages_connection'];

/** The limits that a server has, but those of messages: the pair is there to be measured. Its peer is a trusted proxy. */
export const ATTACK_ENVIRONMENT: Environment = {
  TRUST_PROXY: '127.0.0.1/32',
  ...Object.fromEntries(
    (Object.keys(LIMITS) as (keyof typeof LIMITS)[]) // The keys of a constant are the names of its type.
      .filter((name) => !MESSAGE_LIMITS.includes(name))
      .flatMap((name) => Object.entries(limit(name))),
  ),
};

export interface AttackReport {
  /** Milliseconds from a send to its arrival at the other, before the attack and during it. */
  readonly before: { readonly p50: number; readonly p99: number };
  readonly during: { readonly p50: number; readonly p99: number; readonly worst: number };
  readonly said: number;
  /** What the attackers did, and what became of it. */
  readonly attack: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

/** Attacks of every kind at once, while a pair talks. */
export async function runAttackMix(server: SpawnedServer, quietMs: number, attackMs: number): Promise<AttackReport> {
  const pair = await GoodPair.open(server.url, { 'X-Forwarded-For': '192.0.2.1' });
  pair.talk(EVERY_MS);
  await delay(quietMs);
  const before = pair.takeLatencies();
  const attackers = runScript('test/fuzz/attackers.ts', String(server.port), String(attackMs));
  try {
    const ready = await attackers.nextLine();
    if (ready !== 'ready') throw new Error(`expected the attackers to be ready, received ${ready}`);
    // What it took to bring them up is part of the attack, too.
    const attack = JSON.parse(await attackers.nextLine()) as Record<string, unknown>; // As the script prints it.
    const during = pair.takeLatencies();
    const failures = await pair.end();
    if (!server.isRunning()) failures.push(`the server has ended: ${server.stderr()}`);
    return {
      before: { p50: percentile(before, 0.5), p99: percentile(before, 0.99) },
      during: { p50: percentile(during, 0.5), p99: percentile(during, 0.99), worst: during.at(-1) ?? Number.NaN },
      ...{ said: pair.sent, attack, failures },
    };
  } finally {
    pair.close();
    await attackers.kill();
  }
}
