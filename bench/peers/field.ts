import { Closers } from '../closers.ts';
import type { Options } from '../options.ts';
import { pinApart } from '../pinning.ts';
import type { Workspace } from '../workspace.ts';
import { openField, type Field } from './contenders.ts';

/** Lets something be measured with servers apart from what loads them; ends afterwards what was started for it. */
export async function inField<T>(
  options: Options,
  workspace: Workspace,
  measure: (field: Field, closers: Closers) => Promise<T>,
): Promise<{ result: T; pinning: string }> {
  const closers = new Closers();
  const pinning = pinApart();
  try {
    const field = await openField(options, workspace, pinning.servers, closers);
    return { result: await measure(field, closers), pinning: pinning.text };
  } finally {
    await closers.closeAll();
    pinning.end();
  }
}

/** Rounds of all variants in turn, each of them first as often as last; what each of them found. */
export async function inTurn<N extends string, R>(
  names: readonly N[],
  rounds: number,
  run: (name: N) => Promise<R>,
): Promise<ReadonlyMap<N, readonly R[]>> {
  const results = new Map<N, R[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) results.get(name)?.push(await run(name));
  }
  return results;
}
