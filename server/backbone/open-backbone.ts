import type { Backbone, BackboneParts } from './backbone.ts';
import { memoryBackbone } from './memory-backbone.ts';

export async function openBackbone(parts: BackboneParts): Promise<Backbone> {
  const { redis } = parts.config;
  if (redis === null) return memoryBackbone(parts);
  // Loaded when it is needed: a process that is alone starts without it.
  const { openRedisBackbone } = await import('./redis-backbone.ts');
  return openRedisBackbone(parts, redis);
}
