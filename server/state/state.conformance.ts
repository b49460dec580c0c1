/**
 * What every implementation of `SessionState` must do: each sentence of the port's documentation, checked against
 * nothing but the port. An implementation plugs in by opening a `Harness`; the suite knows nothing else of it.
 */
import { describe } from '@jest/globals';
import { suiteOver } from './conformance/suite.conformance.ts';
import type { CommitHook, Open } from './conformance/suite.conformance.ts';
import { appending } from './conformance/append.conformance.ts';
import { storing } from './conformance/before-stored.conformance.ts';
import { changing } from './conformance/change.conformance.ts';
import { findingByCode } from './conformance/codes.conformance.ts';
import { holding } from './conformance/connections.conformance.ts';
import { timing } from './conformance/deadlines.conformance.ts';
import { failing } from './conformance/failed-write.conformance.ts';
import { findingByKey } from './conformance/keys.conformance.ts';
import { limiting } from './conformance/limits.conformance.ts';
import { reading } from './conformance/log.conformance.ts';
import { operating } from './conformance/operation.conformance.ts';
import { receipting } from './conformance/receipts.conformance.ts';
import { repeating } from './conformance/repeated-id.conformance.ts';
import { restarting } from './conformance/restart.conformance.ts';
import { watching } from './conformance/visibility.conformance.ts';

export type { CommitFailure, CommitHook, Delivery, Harness, HarnessOptions } from './conformance/suite.conformance.ts';

const EVERY_HOOK: readonly CommitHook[] = ['hold', 'refused', 'unknown_stored', 'unknown_lost'];

/** `capabilities`: the hooks that this harness has. Tests that need another are listed by name as not applicable. */
export function describeSessionState(name: string, open: Open, capabilities: readonly CommitHook[] = EVERY_HOOK): void {
  const suite = suiteOver(open, capabilities);
  describe(`${name} as SessionState`, () => {
    describe('append', () => appending(suite));
    describe('a repeated id', () => repeating(suite));
    describe('limits', () => limiting(suite));
    describe('connections of a seat', () => holding(suite));
    describe('create and change', () => changing(suite));
    describe('codes', () => findingByCode(suite));
    describe('keys', () => findingByKey(suite));
    describe('onVisible and the message listener', () => watching(suite));
    describe('receipts', () => receipting(suite));
    describe('the log', () => reading(suite));
    describe('activity and deadlines', () => timing(suite));
    describe('heads, counts, probe and stop', () => operating(suite));
    describe('after a restart', () => restarting(suite));
    describe('before it is stored', () => storing(suite));
    describe('a write that fails', () => failing(suite));
  });
}
