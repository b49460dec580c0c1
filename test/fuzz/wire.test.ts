import { describe, expect, it } from '@jest/globals';
import { seedOfRun } from '../support/random.ts';
import { stageSpawnedServer } from '../support/spawned-stage.ts';
import { runWire, WIRE_ENVIRONMENT } from './wire-run.ts';

const COUNT = 2_000;

describe('a server that is sent anything over the wire', () => {
  const stage = stageSpawnedServer(WIRE_ENVIRONMENT);

  // After both it must still be the same process and have logged no error: the stage sees to that.
  it.each([4711, seedOfRun()])(
    'serves a pair as if nothing were, with seed %d',
    async (seed) => {
      const { failures, inputs, saidByThePair } = await runWire({ seed, count: COUNT, server: stage.server });
      expect(failures).toEqual([]);
      expect(inputs).toBeGreaterThanOrEqual(COUNT);
      expect(saidByThePair).toBeGreaterThan(0);
    },
    240_000,
  );
});
