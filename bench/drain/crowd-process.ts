/**
 * A process of a crowd: pairs that connect, come back when they lose their connection, and some of which talk. Its
 * argument is a `CrowdPlan`; it speaks with its parent over their channel (`crowd-plan.ts`).
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Tally } from '../engine/tally.ts';
import { crowdOrderSchema, crowdPlanSchema, type CrowdReport, type CrowdResult } from './crowd-plan.ts';
import { Participant, type Crowd } from './participant.ts';
import { Talk } from './talk.ts';

const AT_ONCE = 20;
const SETTLE_MS = 10_000;
const LOOK_MS = 20;
const RESOLUTION_MS = 10;

const plan = crowdPlanSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
const crowd: Crowd = {
  home: plan.address,
  losses: new Tally(),
  faults: new Tally(),
  returns: [],
  failedAttempts: 0,
  onBack: () => {
    if (crowd.returns.length === participants.length) report({ kind: 'back' });
  },
};
const participants: Participant[] = [];
const talks: Talk[] = [];
const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

while (participants.length < 2 * plan.pairs) {
  const length = Math.min(AT_ONCE, plan.pairs - participants.length / 2);
  await Promise.all(Array.from({ length }, makePair));
}
for (const talk of talks) talk.start(plan.intervalMs);
lag.enable();
const finished = new Promise<void>((resolve) => {
  process.on('message', (message) => {
    const order = crowdOrderSchema.parse(message);
    if (order.kind === 'home') crowd.home = order.address;
    else resolve();
  });
});
report({ kind: 'paired' });
await finished;
for (const talk of talks) talk.stop();
await settled();
report({ kind: 'result', result: resultOf() });
await Promise.all(participants.map((participant) => participant.close()));
process.disconnect();

async function makePair(): Promise<void> {
  const [host, guest] = [new Participant(crowd), new Participant(crowd)];
  participants.push(host, guest);
  const index = participants.length / 2;
  if (index <= plan.talkingPairs) talks.push(new Talk(`${process.pid}-${index}`, host, guest, crowd.faults));
  await guest.join(await host.create());
}

/** Until everything is answered and has arrived, or the counts say what is missing. */
async function settled(): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  while (performance.now() < deadline && talks.some(({ book }) => !book.isSettled)) await delay(LOOK_MS);
}

function resultOf(): CrowdResult {
  const counts = talks.map(({ book }) => book.counts());
  const sum = (key: keyof (typeof counts)[number]): number => counts.reduce((total, { [key]: one }) => total + one, 0);
  return {
    returns: crowd.returns,
    away: participants.filter(({ isAway }) => isAway).length,
    losses: crowd.losses.toObject(),
    faults: crowd.faults.toObject(),
    failedAttempts: crowd.failedAttempts,
    acknowledged: sum('acknowledged'),
    lost: sum('lost'),
    doubled: sum('doubled'),
    holes: sum('holes'),
    loopLagMs: Math.max(0, lag.max / 1e6 - RESOLUTION_MS),
  };
}

function report(what: CrowdReport): void {
  process.send?.(what);
}
