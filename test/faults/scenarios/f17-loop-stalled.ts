import { Client } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import { upgrade } from '../../support/raw.ts';
import type { Arena } from '../arena.ts';
import { STALLABLE, stall } from '../event-loop.ts';
import type { Instance } from '../instance.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const STALL_MS = 3_000;
/** Still no reason to take an instance for dead: that needs 10 s without a heartbeat. */
const LONG_STALL_MS = 6_000;
const HEALED_WITHIN_MS = 8_000;
/** Connections that come while nobody answers. */
const ARRIVALS = 20;

export const f17: Scenario = {
  name: 'F17',
  what: 'the event loop of one instance stands still for 3 s (6 s in a long run), by a busy loop',
  hotStates: ['redis', 'sentinel', 'cluster'],
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    return { ...usual, env: { ...usual.env, ...STALLABLE } };
  },
  // The stall itself; and who asked just before it waits for its end.
  expected: { maxLoopLagMs: LONG_STALL_MS + 2_000, answerWithinMs: LONG_STALL_MS + 2_500 },
  async run(arena, random, { isLong }) {
    const { instances } = arena.deployment;
    await arena.acknowledgements(1 + random.below(60));
    const stalled = random.pick(instances);
    const other = random.pick(instances.filter((instance) => instance !== stalled));
    const witnesses = await pairAcross(stalled, other);
    try {
      const arrivals = stallAndKnock(stalled, isLong ? LONG_STALL_MS : STALL_MS);
      const statuses = await arrivals;
      const refused = statuses.filter((status) => status === 503).length;
      arena.demand(refused === ARRIVALS, () => `connections that came meanwhile were answered ${statuses.join(', ')}`);
      const backAt = performance.now();
      const live = await stalled.get('/health/live');
      arena.demand(live?.status === 200, () => `${stalled.name} is not live after the stall: ${JSON.stringify(live)}`);
      const tookMs = await arena.served();
      arena.demand(tookMs <= HEALED_WITHIN_MS, () => `sends succeeded ${Math.round(tookMs)} ms after the stall`);
      await eventually(async () => {
        const { status } = await upgrade(stalled.server.url);
        if (status !== 101) throw new Error(`${stalled.name} answers an upgrade ${status}`);
      }, HEALED_WITHIN_MS);
      arena.figures.push(`${refused} of ${ARRIVALS} connections sent elsewhere; new ones taken again`);
      arena.figures.push(`everybody served, and connections taken, ${Math.round(performance.now() - backAt)} ms after`);
      await demandNobodyLeft(arena, witnesses);
      const said = stalled.server.log.all.map(({ reason }) => reason);
      arena.demand(said.includes('overloaded'), () => `${stalled.name} did not log that it was overloaded`);
    } finally {
      for (const witness of witnesses) witness.close();
    }
  },
};

/** Two who talk across the two instances, and hear what the server says of each other. */
async function pairAcross(...[one, other]: [Instance, Instance]): Promise<[Client, Client]> {
  const witnesses: [Client, Client] = [new Client(one.server.url), new Client(other.server.url)];
  for (const witness of witnesses) {
    const error = await witness.opened();
    if (error !== null) throw error;
  }
  const [host, guest] = witnesses;
  const { session } = await host.do('session:create', {});
  await guest.do('session:join', { code: session.code ?? '' });
  await host.next('session:paired');
  return witnesses;
}

/** How connections were answered that came while the loop stood still. */
async function stallAndKnock(instance: Instance, ms: number): Promise<number[]> {
  const stalled = stall(instance, ms);
  // Its word is the sign that it still turned; nothing is answered once it does not.
  await eventually(async () => {
    if ((await instance.get('/health/live')) !== null) throw new Error(`${instance.name} still answers`);
  });
  const answers = Array.from({ length: ARRIVALS }, () => upgrade(instance.server.url));
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  await stalled;
  return statuses;
}

/** Whoever was there is there, and was never said to be away: neither to the one nor to the other. */
async function demandNobodyLeft(arena: Arena, [host, guest]: [Client, Client]): Promise<void> {
  const { participants } = (await host.do('session:get', {})).session;
  await guest.barrier();
  arena.demand(
    participants.every(({ presence }) => presence === 'online'),
    () => `somebody is away: ${JSON.stringify(participants.map(({ role, presence }) => ({ role, presence })))}`,
  );
  for (const witness of [host, guest]) {
    const told = witness.arrivals().filter((event) => /^session:(left|presence|closed)$|^disconnect$/.test(event));
    arena.demand(told.length === 0, () => `one of the pair was told ${told.join(', ')}`);
  }
}
