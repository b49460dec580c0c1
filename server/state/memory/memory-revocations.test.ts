import { expect, it } from '@jest/globals';
import { describeRevocationFeed } from '../conformance/revocations.conformance.ts';
import { MemoryRevocations } from './memory-revocations.ts';

describeRevocationFeed('MemoryRevocations', () =>
  Promise.resolve({ feed: new MemoryRevocations(), now: Date.now, close: () => Promise.resolve() }),
);

it('says that it keeps nothing', async () => {
  expect(await new MemoryRevocations().publish([])).toBe(false);
});
