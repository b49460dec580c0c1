import { describeSessionState } from '../state.conformance.ts';
import { RedisHarness } from './redis-harness.conformance.ts';

describeSessionState('RedisState', (options) => RedisHarness.open(7399, options), []);
