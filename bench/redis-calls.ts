import type { RedisServer } from '../test/support/redis-server.ts';

/** What scripts are called by: each is one round trip, whatever the script does inside. */
export const SCRIPT_CALLS = ['evalsha', 'eval', 'evalsha_ro', 'eval_ro', 'fcall', 'fcall_ro'];
export const PUBLISH_CALLS = ['publish', 'spublish'];

/** Calls by the name of the command, since the server began; those inside of scripts are counted too. */
export type Calls = ReadonlyMap<string, number>;

export async function callsOf(redis: RedisServer): Promise<Calls> {
  const text = String(await redis.command('INFO', 'commandstats'));
  return new Map(
    [...text.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, name = '', count]) => [name, Number(count)]),
  );
}

export function callsSince(before: Calls, after: Calls): Calls {
  return new Map([...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]));
}

export function sumOfCalls(calls: Calls, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (calls.get(name) ?? 0), 0);
}

/** The commands that messages cost, the most frequent first; what is below one in a hundred messages is left out. */
export function callsText(calls: Calls, messages: number): string {
  const frequent = [...calls].filter(([, count]) => count / messages >= 0.01).sort(([, a], [, b]) => b - a);
  return frequent.map(([name, count]) => `${name} ${(count / messages).toFixed(2)}`).join(', ');
}
