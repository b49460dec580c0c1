import { eventually } from '../../support/eventually.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const ROUNDS = 3;

export const f16: Scenario = {
  name: 'F16',
  what: 'an answer is lost on its way, and the connection with it',
  hotStates: ['redis', 'embedded', 'sentinel', 'cluster'],
  arena: threeInstances,
  async run(arena, random) {
    for (let round = 0; round < ROUNDS; round += 1) {
      await arena.acknowledgements(1 + random.below(40));
      const { recorder, network } = random.pick(arena.clients.placed);
      await eventually(() => (recorder.isOnline ? Promise.resolve() : Promise.reject(new Error('it is offline'))));
      network.set({ kind: 'swallow' }, 'down');
      recorder.noteNetwork(true);
      const said = recorder.say();
      // The library sends one after the other, and may have others before it.
      const candidates = () => (recorder.record.kind === 'stock' ? [said] : recorder.unsettled);
      // What others have seen is stored, and its answer went into the black hole.
      const id = await eventually(() => {
        const stored = candidates().find(isSeen);
        return stored === undefined ? Promise.reject(new Error('no send is out')) : Promise.resolve(stored);
      });
      network.heal();
      recorder.noteNetwork(false);
      await arena.served();
      const answer = recorder.record.entries.find((entry) => entry.kind === 'ok' && entry.id === id);
      // The library may find it among what it missed, and then has nothing to repeat.
      arena.demand(
        recorder.record.kind === 'library' || (answer?.kind === 'ok' && answer.duplicate),
        () => `${id}, whose answer was lost, was repeated and not recognised: ${JSON.stringify(answer)}`,
      );

      function isSeen(wanted: string): boolean {
        return arena.clients.recorders.some((other) =>
          other.record.entries.some((entry) => entry.kind === 'seen' && entry.message.id === wanted),
        );
      }
    }
  },
};
