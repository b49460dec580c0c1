import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const run = promisify(execFile);

const LOG_DIR = 'full-logs';
const ADMIN_TOKEN = 'the-admin-token-of-this-scenario';
/** Full within a second of what the clients say. */
const SMALL = 'size=64k';
const LARGE = 'size=64m';

export const f11: Scenario = {
  name: 'F11',
  what: 'the disk of the logs is full, and standard output is closed; each at another instance',
  hotStates: ['redis', 'sentinel', 'cluster'],
  // A file system of its own is the only disk that a test may fill.
  lacks: () =>
    process.platform === 'linux' && process.getuid?.() === 0 ? null : 'it mounts a small tmpfs, as root on Linux',
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    // A line for every message, of which there need not be many.
    return { ...usual, perSecond: 50, env: { ...usual.env, LOG_DIR, LOG_LEVEL: 'debug', ADMIN_TOKEN } };
  },
  async run(arena, random) {
    const { instances } = arena.deployment;
    const full = random.pick(instances);
    const closed = instances.find((instance) => instance !== full);
    if (closed === undefined) throw new Error('this fault needs two instances');
    await arena.acknowledgements(20);
    const dir = path.join(await readlink(`/proc/${full.server.pid}/cwd`), LOG_DIR);
    await run('mount', ['-t', 'tmpfs', '-o', SMALL, 'tmpfs', dir]);
    try {
      closed.server.stdout.destroy();
      const failed = await full.server.log.next('log_file_failed', ({ event }) => event === 'log_file_failed', 30_000);
      arena.demand(failed['level'] === 'warn', () => `the full disk was said at ${String(failed['level'])}`);
      // The service goes on: at both of them and at the third, and without any of its limits.
      await arena.acknowledgements(200);
      await arena.served();
      for (const instance of [full, closed]) await demandCounted(arena, instance);
      arena.figures.push(`lines lost: ${await lost(full)} to the full disk, ${await lost(closed)} to the closed pipe`);

      await run('mount', ['-o', `remount,${LARGE}`, dir]);
      const sign = ({ event }: { event?: unknown }) => event === 'log_file_recovered';
      const recovered = await full.server.log.next('log_file_recovered', sign, 60_000);
      arena.demand(Number(recovered['count']) > 0, () => `nothing was lost: ${JSON.stringify(recovered)}`);
      arena.demand(await hasWholeLinesAfter(dir), () => 'the log has a line that is no JSON, or no new ones');
      await arena.served();
      // A stop whose last words nobody hears is a clean stop.
      const code = await closed.sigterm();
      arena.demand(code === 0, () => `${closed.name} was told to stop and ended with exit code ${String(code)}`);
      await closed.start();
      await arena.served();
    } finally {
      await run('umount', ['-l', dir]);
    }
  },
};

/** What `/health/detailed` says of the logs. */
async function logsOf({ server }: Instance): Promise<{ status: string; droppedLines: number }> {
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await fetch(`${server.url}/health/detailed`, { headers });
  const report = (await response.json()) as { checks: { logs: { status: string; droppedLines: number } } }; // By the contract.
  return report.checks.logs;
}

async function lost(instance: Instance): Promise<number> {
  return (await logsOf(instance)).droppedLines;
}

async function demandCounted(arena: Arena, instance: Instance): Promise<void> {
  const logs = await logsOf(instance);
  arena.demand(
    logs.status === 'degraded' && logs.droppedLines > 0,
    () => `${instance.name} lost lines and says ${JSON.stringify(logs)}`,
  );
}

/** A line that was cut by the full disk is one of its own; all others can be read, the last ones too. */
async function hasWholeLinesAfter(dir: string): Promise<boolean> {
  return eventually(async () => {
    const [name = ''] = await readdir(dir);
    const lines = (await readFile(path.join(dir, name), 'utf8')).split('\n').filter((line) => line !== '');
    const torn = lines.filter((line) => !isJson(line)).length;
    // What was written before fits into 64 KiB.
    if (lines.join('\n').length < 80_000) throw new Error('nothing new has been written');
    return torn <= 3;
  }, 30_000);
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
