/** What every `RevocationFeed` promises to one instance; what instances promise each other is Redis's alone. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Revocation, RevocationFeed } from '../../auth/ports.ts';

export interface FeedHarness {
  readonly feed: RevocationFeed;
  readonly now: () => number;
  close(): Promise<void>;
}

export function describeRevocationFeed(name: string, open: () => Promise<FeedHarness>): void {
  describe(`${name}, a feed of revocations`, () => {
    let harness: FeedHarness;

    beforeEach(async () => {
      harness = await open();
    });

    afterEach(() => harness.close());

    it('tells every listener of this instance what it publishes, once', async () => {
      const { feed, now } = harness;
      const expiresAt = now() + 60_000;
      const login: Revocation = { kind: 'login', subject: 'login', notBefore: null, expiresAt };
      const user: Revocation = { kind: 'user', subject: 'user "{}:\n', notBefore: now(), expiresAt };
      const last: Revocation = { kind: 'token', subject: 'last', notBefore: null, expiresAt };
      const heard: Revocation[][] = [[], []];
      const told = new Promise<void>((resolve) => {
        for (const list of heard) {
          feed.onPublished((revocations) => {
            list.push(...revocations);
            if (heard.every((one) => one.some(({ subject }) => subject === 'last'))) resolve();
          });
        }
      });
      // They may be told before the answer is here.
      await feed.publish([login, user]);
      await feed.publish([last]);
      await told;
      expect(heard).toEqual([
        [login, user, last],
        [login, user, last],
      ]);
    });

    it('is the same list from reading to reading, and its time does not go back', async () => {
      const { feed } = harness;
      const first = await feed.changes(null);
      const second = await feed.changes(first.asOf);
      expect(second.epoch).toBe(first.epoch);
      expect(second.asOf).toBeGreaterThanOrEqual(first.asOf);
    });
  });
}
