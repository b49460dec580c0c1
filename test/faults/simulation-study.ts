import { simulate } from '../simulations/simulation.ts';
import type { Study } from './study.ts';

const SCHEDULES = 20_000;
/** Findings beyond so many explain nothing more. */
const SHOWN = 5;

/** What every run of the tests does with other seeds, for longer. */
export const simulation: Study = {
  name: 'SIMULATION',
  what: 'the domain over the in-process state, with a crash between any two steps, in many schedules',
  async run({ seed, count, say }) {
    const total = { steps: 0, crashes: 0, acknowledged: 0 };
    let found = 0;
    const wanted = count ?? SCHEDULES;
    const before = process.cpuUsage();
    for (let own = seed; own < seed + wanted; own += 1) {
      const { findings, counts } = await simulate(own);
      total.steps += counts.steps;
      total.crashes += counts.crashes;
      total.acknowledged += counts.acknowledged;
      if (findings.length === 0) continue;
      found += 1;
      const again = `npm run test:faults -- --only simulation --count 1 --seed ${own}`;
      if (found <= SHOWN) say(`${findings.join('\n')}\nagain by: ${again}`);
    }
    const { user, system } = process.cpuUsage(before);
    say(
      `${wanted} schedules, ${total.steps} steps, ${total.crashes} crashes, ${total.acknowledged} messages acknowledged, ` +
        `${found} schedules in which something was wrong; ${((user + system) / 1e6).toFixed(1)} s of processor time`,
    );
    return found === 0;
  },
};
