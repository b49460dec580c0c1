import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { loseAnswer } from './lost-answer.ts';

const ROUNDS = 3;

export const f16: Scenario = {
  name: 'F16',
  what: 'an answer is lost on its way, and the connection with it',
  hotStates: ['redis', 'embedded', 'sentinel', 'cluster'],
  arena: threeInstances,
  async run(arena, random) {
    for (let round = 0; round < ROUNDS; round += 1) {
      await arena.acknowledgements(1 + random.below(40));
      await loseAnswer(arena, random.pick(arena.clients.placed));
    }
  },
};
