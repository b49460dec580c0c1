import type { Random } from '../../support/random.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { longestPauseMs, threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

export const WORST_PAUSE_MS = 5_000;
/** What `threeInstances` sets as DRAIN_TIMEOUT. */
const DRAIN_TIMEOUT_MS = 10_000;

export const f02: Scenario = {
  name: 'F2',
  what: 'all instances are stopped and started under load, one after the other',
  hotStates: ['redis', 'embedded', 'sentinel', 'cluster'],
  arena: threeInstances,
  async run(arena, random) {
    await restartAll(arena, random);
    // The only instance is away for as long as its start takes.
    if (arena.deployment.instances.length > 1) demandShortPauses(arena);
  },
};

export async function restartAll(
  arena: Arena,
  random: Random,
  instances: readonly Instance[] = arena.deployment.instances,
): Promise<void> {
  for (const instance of instances) {
    await arena.acknowledgements(1 + random.below(50));
    const toldAt = performance.now();
    const code = await instance.sigterm();
    const tookMs = performance.now() - toldAt;
    arena.demand(code === 0, () => `${instance.name} was told to stop and ended with exit code ${String(code)}`);
    arena.demand(tookMs <= DRAIN_TIMEOUT_MS, () => `${instance.name} took ${Math.round(tookMs)} ms to stop`);
    await instance.start();
    await arena.served();
  }
}

export function demandShortPauses(arena: Arena): void {
  for (const { record } of arena.clients.recorders) {
    const pauseMs = longestPauseMs(record);
    arena.demand(
      pauseMs <= WORST_PAUSE_MS,
      () => `${record.client} was without a server for ${Math.round(pauseMs)} ms`,
    );
  }
}
