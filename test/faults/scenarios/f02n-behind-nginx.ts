import { longestPauseMs, threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { demandShortPauses, restartAll } from './f02-rolling-restart.ts';

export const f02n: Scenario = {
  name: 'F2N',
  what: 'as F2, where a real nginx decides which instance a connection goes to',
  hotStates: ['redis'],
  arena: (hotState) => ({ ...threeInstances(hotState), isBehindNginx: true }),
  async run(arena, random) {
    await restartAll(arena, random);
    demandShortPauses(arena);
    const pausesMs = arena.clients.recorders.map(({ record }) => Math.round(longestPauseMs(record)));
    arena.figures.push(`longest pause of each client: ${pausesMs.join(', ')} ms`);
  },
};
