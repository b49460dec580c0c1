import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';

/** Within this time a send is refused while Redis does not answer, and what a busy machine may add. */
export const REFUSED_WITHIN_MS = 2_500;
const HEALED_WITHIN_MS = 8_000;
const READINESS_WITHIN_MS = 5_000;
export const OUTAGE_MS = 10_000;

type Switch = () => unknown;

/**
 * Redis is out of reach for 10 s: sockets stay, sends are refused, readiness is red and liveness green; then everything
 * heals without a restart.
 */
export async function outage(arena: Arena, begin: Switch, end: Switch): Promise<void> {
  const { instances } = arena.deployment;
  await arena.acknowledgements(40);
  const begunAt = performance.now();
  await begin();
  try {
    await Promise.all(instances.map((instance) => becomes(arena, instance, 503)));
    for (const instance of instances) {
      const live = await instance.get('/health/live');
      arena.demand(live?.status === 200, () => `${instance.name} is not live: ${JSON.stringify(live)}`);
    }
    await delay(Math.max(0, OUTAGE_MS - (performance.now() - begunAt)));
    const refusals = entriesSince(arena, begunAt).filter(({ entry }) => entry.kind === 'unknown');
    arena.demand(refusals.length > 0, () => 'nothing was refused while Redis was away');
  } finally {
    await end();
  }
  const tookMs = await arena.served();
  arena.demand(
    tookMs <= HEALED_WITHIN_MS,
    () => `sends succeeded ${Math.round(tookMs)} ms after the end of the outage`,
  );
  await Promise.all(instances.map((instance) => becomes(arena, instance, 200)));
  for (const { client, entry } of entriesSince(arena, begunAt)) {
    arena.demand(entry.kind !== 'disconnected', () => `${client} lost its connection: ${JSON.stringify(entry)}`);
  }
}

async function becomes(
  arena: Arena,
  instance: Arena['deployment']['instances'][number],
  status: number,
): Promise<void> {
  const since = performance.now();
  const attempt = async (): Promise<void> => {
    const ready = await instance.get('/health/ready');
    if (ready?.status !== status)
      throw new Error(`${instance.name} does not answer ${status}: ${JSON.stringify(ready)}`);
  };
  await eventually(attempt, 3 * READINESS_WITHIN_MS);
  const tookMs = performance.now() - since;
  arena.demand(
    tookMs <= READINESS_WITHIN_MS,
    () => `${instance.name} took ${Math.round(tookMs)} ms to answer ${status}`,
  );
}

function entriesSince({ clients }: Arena, at: number) {
  return clients.recorders.flatMap(({ record }) =>
    record.entries.filter((entry) => entry.at >= at).map((entry) => ({ client: record.client, entry })),
  );
}
