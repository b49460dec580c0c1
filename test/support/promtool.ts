import { spawnSync } from 'node:child_process';

export interface PromtoolVerdict {
  readonly isWell: boolean;
  /** All that it said. */
  readonly said: string;
}

/** Prometheus's own judge of metrics and rules. */
export function promtool(args: readonly string[], input = ''): PromtoolVerdict {
  const { error, status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8', timeout: 120_000 });
  if (error !== undefined) throw new Error('There is no promtool; ./setup.sh test installs it', { cause: error });
  return { isWell: status === 0, said: `${stdout}${stderr}` };
}
