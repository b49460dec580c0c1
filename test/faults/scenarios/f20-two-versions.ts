import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { mainIn } from '../other-version.ts';
import { longestPauseMs, threeInstances } from '../scenario.ts';
import type { RunOptions, Scenario } from '../scenario.ts';
import { archived } from './archived.ts';
import { acrossInstances } from './across-instances.ts';

const WORST_PAUSE_MS = 5_000;

export const f20: Scenario = {
  name: 'F20',
  what: 'another version of the server (--other) and this one, side by side on one Redis and one Postgres, then this one alone',
  hotStates: ['redis', 'sentinel', 'cluster'],
  lacks: ({ other }) => {
    if (other === null) return 'it needs another version of the server, built: --other <directory>';
    return mainIn(other) === null ? `there is no built server in ${other}` : null;
  },
  arena: (hotState, options) => ({ ...threeInstances(hotState), main: mainOf(options) }),
  async run(arena, random, options) {
    const [first, ...rest] = arena.deployment.instances;
    if (first === undefined) throw new Error('this fault needs several instances');
    await arena.acknowledgements(1 + random.below(60));
    await roll(arena, first, undefined);
    arena.figures.push(`side by side: ${(await versions(arena)).join(', ')}`);
    // Both ways: what one version writes the other reads.
    for (const older of rest) {
      await acrossInstances(arena, first, older);
      await acrossInstances(arena, older, first);
    }
    // The older one dies, and starts on the tables that the newer one has made.
    const dying = random.pick(rest);
    await dying.kill9();
    await dying.start();
    await arena.served();
    // One that was rolled out too early goes back.
    await roll(arena, first, mainOf(options));
    await roll(arena, first, undefined);
    for (const older of rest) {
      await roll(arena, older, undefined);
      await acrossInstances(arena, first, older);
    }
    arena.hush();
    await archived(arena);
    const pauses = arena.clients.recorders.map(({ record }) => longestPauseMs(record));
    const worst = Math.round(Math.max(...pauses));
    arena.figures.push(`the longest that a client was without a server: ${worst} ms`);
    arena.demand(worst <= WORST_PAUSE_MS, () => `a client was without a server for ${worst} ms`);
  },
};

function mainOf({ other }: RunOptions): string {
  const main = other === null ? null : mainIn(other);
  if (main === null) throw new Error('there is no other version');
  return main;
}

/** Stopped as a deployment does it, and started as what `main` names. */
async function roll(arena: Arena, instance: Instance, main: string | undefined): Promise<void> {
  const code = await instance.sigterm();
  arena.demand(code === 0, () => `${instance.name} was told to stop and ended with exit code ${String(code)}`);
  instance.main = main;
  await instance.start();
  await arena.served();
}

async function versions({ deployment }: Arena): Promise<string[]> {
  return Promise.all(
    deployment.instances.map(async (instance) => {
      const live = await instance.get('/health/live');
      const { version } = (live?.body ?? {}) as { version?: unknown }; // By the contract.
      return `${instance.name} ${String(version)} (${instance.main === undefined ? 'this' : 'other'})`;
    }),
  );
}
