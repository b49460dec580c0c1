import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { resultSchema, type LoadResult, type Plan } from './engine/plan.ts';

const SCRIPT = fileURLToPath(new URL('./generator.ts', import.meta.url));

/** Runs one plan in a generator of its own. The child inherits `execArgv`, and with it the loader for TypeScript. */
export async function generate(plan: Plan, signal: AbortSignal): Promise<LoadResult> {
  const child = fork(SCRIPT, [JSON.stringify(plan)], { signal });
  let result: unknown;
  child.on('message', (message) => (result = message));
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  if (exitCode !== 0 || result === undefined) {
    throw new Error(`the generator ended without a result (exit code ${exitCode ?? 'none'}); see its message above`);
  }
  return resultSchema.parse(result);
}
