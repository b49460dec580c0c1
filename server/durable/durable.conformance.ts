/** What every durable store must do: the guarantees of its ports, checked against whatever implements them. */
import { afterAll, beforeAll, describe } from '@jest/globals';
import { keepingAccounts } from './conformance/accounts.conformance.ts';
import { counting } from './conformance/analytics.conformance.ts';
import { refusing } from './conformance/contradictions.conformance.ts';
import { listing } from './conformance/lists.conformance.ts';
import { keepingLogins } from './conformance/logins.conformance.ts';
import { queueing } from './conformance/mails.conformance.ts';
import { keepingMessages } from './conformance/messages.conformance.ts';
import { recording } from './conformance/recorded-events.conformance.ts';
import { repeating } from './conformance/repeats.conformance.ts';
import { retaining } from './conformance/retention.conformance.ts';
import { revoking } from './conformance/revocations.conformance.ts';
import { searching } from './conformance/search.conformance.ts';
import { seating } from './conformance/seats.conformance.ts';
import { keepingSessions } from './conformance/sessions.conformance.ts';
import type { OpenDurableStore, Suite } from './conformance/suite.conformance.ts';
import { versioning } from './conformance/versions.conformance.ts';

export type { OpenDurableStore } from './conformance/suite.conformance.ts';

export function describeDurableStore(name: string, open: () => Promise<OpenDurableStore>): void {
  describe(`durable store: ${name}`, () => {
    let opened: OpenDurableStore | null = null;
    const current = (): OpenDurableStore => {
      if (opened === null) throw new Error('The store is opened before the tests');
      return opened;
    };
    const suite: Suite = {
      get store() {
        return current().store;
      },
      get accounts() {
        return current().accounts;
      },
      get mailQueue() {
        return current().mailQueue;
      },
      breakConnections: () => current().breakConnections(),
    };
    beforeAll(async () => {
      opened = await open();
    }, 60_000);
    afterAll(() => opened?.close());

    describe('sessions', () => keepingSessions(suite));
    describe('messages', () => keepingMessages(suite));
    describe('contradictions', () => refusing(suite));
    describe('versions of a session', () => versioning(suite));
    describe('lists', () => listing(suite));
    describe('search', () => searching(suite));
    describe('recorded events', () => recording(suite));
    describe('analytics', () => counting(suite));
    describe('retention', () => retaining(suite));
    describe('seats of a user', () => seating(suite));
    describe('accounts', () => keepingAccounts(suite));
    describe('logins', () => keepingLogins(suite));
    describe('revocations', () => revoking(suite));
    describe('mails', () => queueing(suite));
    describe('repeated, empty and interrupted writes', () => repeating(suite));
  });
}
