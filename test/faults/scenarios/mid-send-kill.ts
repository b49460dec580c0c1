import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../support/random.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';

const MOST_DELAY_MS = 50;
const MOST_AWAY_MS = 500;

/** The instance ends some time after a send that no answer decides, and is away for some time or none. */
export async function killMidSend(arena: Arena, instance: Instance, random: Random): Promise<void> {
  const afterMs = random.below(MOST_DELAY_MS);
  for (const recorder of arena.clients.recorders) recorder.say();
  await delay(afterMs);
  await instance.kill9();
  if (random.next() < 0.5) await delay(random.below(MOST_AWAY_MS));
}
