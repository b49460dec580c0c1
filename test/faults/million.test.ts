import { describe, expect, it } from '@jest/globals';
import { million } from './million.ts';

describe('sessions that are made and expire', () => {
  // As `npm run test:faults -- --only million` does it with a million, which also says how the memory grows.
  it('leave nothing in Redis', async () => {
    const said: string[] = [];
    const isGood = await million.run({ seed: 1, count: 200, say: (line) => said.push(line) });
    expect({ isGood, said: said.at(-1) }).toEqual({
      isGood: true,
      said: expect.stringMatching(/^200 sessions made and 200 expired .*; keys of sessions in Redis: 0, /),
    });
  }, 120_000);
});
