import { eventually } from '../../support/eventually.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const FLOWS_WITHIN_MS = 3_000;

export const f07: Scenario = {
  name: 'F7',
  what: 'the primary is killed, and the sentinels vote for its replica',
  hotStates: ['sentinel'],
  arena: threeInstances,
  // Replication is asynchronous: the replica may lack what was acknowledged. That is told, and the senders make it good.
  expected: { mayLose: true },
  async run(arena, random) {
    const { sentinels } = arena.deployment;
    if (sentinels === null) throw new Error('this fault needs sentinels');
    await arena.acknowledgements(1 + random.below(100));
    const before = await sentinels.primary();
    if (random.next() < 0.5) await before.kill('SIGKILL');
    else before.freeze();
    await eventually(async () => {
      if ((await sentinels.primary()) === before) throw new Error('the sentinels have not voted');
    }, 30_000);
    const tookMs = await arena.served();
    arena.demand(tookMs <= FLOWS_WITHIN_MS, () => `sends flowed ${Math.round(tookMs)} ms after the vote`);
    // The old primary comes back, and has to follow the new one.
    before.thaw();
    await before.restart();
    await arena.acknowledgements(40);
  },
};
