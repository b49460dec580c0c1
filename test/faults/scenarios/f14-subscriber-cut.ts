import { eventually } from '../../support/eventually.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { cutSubscribers } from './subscriber-cut.ts';

/** `session:head` comes at most every 10 s. */
const HEALED_WITHIN_MS = 12_000;

export const f14: Scenario = {
  name: 'F14',
  what: 'what an instance subscribed to does not arrive, and everything else does',
  hotStates: ['redis'],
  arena: threeInstances,
  async run(arena, random) {
    await arena.acknowledgements(40);
    const index = random.below(arena.deployment.instances.length);
    const cut = await cutSubscribers(arena, index);
    arena.demand(cut > 0, () => `instance ${index} has no connection that subscribes`);
    await arena.acknowledgements(40);
    arena.hush();
    const cutAt = performance.now();
    await arena.served();
    // Nobody talks any more: only the log can tell those behind the cut what they missed.
    const heads = await Promise.all(
      arena.clients.pairs.map(async (pair) => ({ pair, lastSeq: (await pair.teller.head()).lastSeq })),
    );
    await eventually(() => {
      const behind = heads.flatMap(({ pair: { host, guest }, lastSeq }) =>
        [host, guest].filter(({ recorder }) => recorder.completeSeq < lastSeq),
      );
      const names = behind.map(({ recorder }) => recorder.record.client).join(', ');
      return behind.length === 0 ? Promise.resolve() : Promise.reject(new Error(`behind the cut: ${names}`));
    }, 3 * HEALED_WITHIN_MS);
    const tookMs = performance.now() - cutAt;
    arena.demand(tookMs <= HEALED_WITHIN_MS, () => `what the cut held back came ${Math.round(tookMs)} ms later`);
    arena.deployment.redisLinks[index]?.heal();
    arena.talk();
    await arena.acknowledgements(40);
  },
};
