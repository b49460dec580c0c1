import { loadavg } from 'node:os';
import { timeLogins } from '../auth/login-timing.ts';
import { registerAccounts } from '../auth/login-flood.ts';
import { belowQuantile, meanOf, welchT } from '../auth/welch.ts';
import { milliseconds, type Figure } from '../figures.ts';
import type { Report } from '../report.ts';
import type { Workspace } from '../workspace.ts';

const TRIES = 2000;
/** Each is tried twice, below the failures in a row after which an account is answered later. */
const ACCOUNTS = 500;
const WARM_UP_TRIES = 200;
const TARGET_T = 4.5;
/** What is above it comes of the machine: a collection of garbage, another process. */
const QUANTILES = [1, 0.9] as const;
/** Nobody is refused for asking often: the subject is what an answer gives away to whoever has time. */
const LIMITS_OFF = { RATE_LIMIT_AUTH_POINTS: '0', RATE_LIMIT_GENERAL_POINTS: '0' };

/** Whether the time of an answer tells who has an account: wrong passwords at accounts, and at addresses without one. */
export async function runTimingScenario(workspace: Workspace): Promise<Report> {
  const server = await workspace.startInitialisedTandem(LIMITS_OFF);
  try {
    const accounts = await registerAccounts(server.address, ACCOUNTS, 'timing');
    const others = await registerAccounts(server.address, WARM_UP_TRIES / 2, 'warm-up');
    await timeLogins(server.address, others, WARM_UP_TRIES, workspace.signal);
    const { known, unknown, others: faults } = await timeLogins(server.address, accounts, TRIES, workspace.signal);
    const figures: Figure[] = QUANTILES.flatMap((quantile) => {
      const [a, b] = [belowQuantile(known, quantile), belowQuantile(unknown, quantile)];
      const t = welchT(a, b);
      const part = quantile === 1 ? 'all' : `quickest ${quantile * 100} %`;
      return [
        {
          name: `${part}: mean, known and unknown`,
          value: `${milliseconds(meanOf(a))} and ${milliseconds(meanOf(b))}`,
        },
        {
          name: `${part}: Welch's t`,
          value: t.toFixed(2),
          target: { text: `between -${TARGET_T} and ${TARGET_T}`, isReached: Math.abs(t) < TARGET_T },
        },
      ];
    });
    return {
      title: `login timing, ${known.length} tries at accounts and ${unknown.length} at addresses without one`,
      figures: [
        ...figures,
        { name: 'other answers', value: String(faults), target: { text: '0', isReached: faults === 0 } },
        {
          name: 'load of the machine',
          value: loadavg()
            .map((load) => load.toFixed(1))
            .join(' '),
        },
      ],
    };
  } finally {
    await server.stop();
  }
}
