import { MemoryCache } from '../state/memory/memory-cache.ts';
import { MemoryLimits } from '../state/memory/memory-limits.ts';
import { MemoryReports } from '../state/memory/memory-reports.ts';
import { MemoryRevocations } from '../state/memory/memory-revocations.ts';
import { MemoryState } from '../state/memory/memory-state.ts';
import type { Backbone, BackboneParts } from './backbone.ts';

/** Committed in Postgres first: what is acknowledged is archived. */
export function memoryBackbone({ config, durable, testClock, onFault }: BackboneParts): Backbone {
  const now = testClock ?? Date.now;
  const limits = new MemoryLimits(now);
  return {
    kind: 'memory',
    limits,
    revocations: new MemoryRevocations(),
    reports: new MemoryReports(now),
    cacheStore: new MemoryCache({ now }),
    adapter: null,
    now,
    durability: () => 'archived',
    check: null,
    openState: async ({ onAppended, onMessage, sessions }) => {
      const state = new MemoryState({
        durable: durable.store,
        onMessage: (message, sender) => {
          onAppended(message);
          onMessage(message, sender);
        },
        onRecovered: (recovery) => sessions().recovered(recovery),
        limits,
        timings: config.sessions,
        retryHorizonMs: config.messages.retryHorizonMs,
        hotMessages: config.messages.hotMessages,
        now,
        onFault,
      });
      await state.start();
      return { state, jobs: [], inspect: () => Promise.resolve(state.figures()) };
    },
    close: () => Promise.resolve(),
  };
}
