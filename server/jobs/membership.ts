import type { Deployment } from '../sessions/ports.ts';
import { createLoop, type Job } from './loop.ts';

const BEAT_MS = 1000;
/** A heartbeat that stood still for so long, while this instance's own Redis was well, is that of a dead instance. */
const DEAD_MS = 10_000;
/** A round that took longer says nothing about others: it was this instance, or its Redis, that stood still. */
const UNHEALTHY_MS = 3000;
/** Sessions of a dead instance that are worked on together: there may be ten thousand, and others want to be served. */
const RELEASED_AT_ONCE = 50;

export interface MembershipOptions {
  deployment: Deployment;
  instanceId: string;
  /** How many partitions there are to share out. */
  partitions: number;
  /** The partitions whose background work is this instance's from now on, and how many instances there are. */
  onShare: (partitions: readonly number[], instances: number) => Promise<void>;
  /** An instance died: what it had not told others yet nobody will. */
  onDeath?: () => void;
  /** The instance is dead: its seats in that session are to be released. */
  onLost: (sessionId: string, instanceId: string) => Promise<void>;
  onError: (error: unknown) => void;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

interface Heartbeat {
  count: number;
  /** Healthy milliseconds that this instance watched it stand still. */
  stillMs: number;
}

/** Who else is there: shares the background work out, and releases the seats of instances that died. */
export function createMembership(options: MembershipOptions): Job {
  const { deployment, instanceId, partitions, onShare, onLost, onError, clock = () => performance.now() } = options;
  const known = new Map<string, Heartbeat>();
  const releasing = new Map<string, Promise<void>>();
  let lookedAt: number | null = null;
  let wereLiving: readonly string[] = [];
  let isStopped = false;

  const round = async () => {
    const startedAt = clock();
    const beats = await deployment.beat(instanceId);
    const now = clock();
    const passedMs = lookedAt === null ? 0 : now - lookedAt;
    lookedAt = now;
    const isHealthy = passedMs < UNHEALTHY_MS && now - startedAt < BEAT_MS;
    for (const id of known.keys()) if (!beats.has(id)) known.delete(id);
    for (const [id, count] of beats) {
      const heartbeat = known.get(id);
      if (heartbeat === undefined || heartbeat.count !== count) known.set(id, { count, stillMs: 0 });
      else heartbeat.stillMs = isHealthy ? heartbeat.stillMs + passedMs : 0;
    }
    const living = [...known].filter(([id, { stillMs }]) => id === instanceId || stillMs < DEAD_MS).map(([id]) => id);
    // One that has left works no more; its seats are left alone for as long as those of one that stands still.
    const working = living.filter((id) => id === instanceId || (known.get(id)?.count ?? 0) >= 0);
    const own = Array.from({ length: partitions }, (_, partition) => partition).filter(
      (partition) => ownerOf(partition, working) === instanceId,
    );
    const isDeath = wereLiving.some((id) => !living.includes(id));
    wereLiving = living;
    if (isDeath) options.onDeath?.();
    await onShare(own, working.length);
    for (const id of known.keys()) {
      if (living.includes(id) || releasing.has(id)) continue;
      // Not awaited: a round that takes long would make this instance look dead.
      const released = release(id, own).catch(onError);
      releasing.set(id, released);
      void released.then(() => releasing.delete(id));
    }
  };

  const isDead = (id: string) => !isStopped && (known.get(id)?.stillMs ?? 0) >= DEAD_MS;

  const release = async (dead: string, own: readonly number[]) => {
    const sessionIds = await deployment.heldBy(dead, own);
    for (let from = 0; from < sessionIds.length; from += RELEASED_AT_ONCE) {
      const some = sessionIds.slice(from, from + RELEASED_AT_ONCE);
      const results = await Promise.allSettled(some.map((sessionId) => onLost(sessionId, dead)));
      for (const result of results) if (result.status === 'rejected') onError(result.reason);
      // It is back, or this instance could not look: then what it holds is not lost.
      if (!isDead(dead)) return;
    }
    if (isDead(dead) && (await deployment.forget(dead))) known.delete(dead);
  };

  const loop = createLoop(BEAT_MS, round, (error) => {
    // What was not seen is not known to have stood still.
    lookedAt = null;
    for (const heartbeat of known.values()) heartbeat.stillMs = 0;
    onError(error);
  });
  return {
    start: () => {
      isStopped = false;
      loop.start();
    },
    stop: async () => {
      isStopped = true;
      await loop.stop();
      await Promise.all(releasing.values());
      // Others take its work over with their next heartbeat, also while seats are named after it.
      await deployment.leave(instanceId).catch(onError);
      await deployment.forget(instanceId).catch(onError);
    },
  };
}

/** Rendezvous hashing: everybody who sees the same instances comes to the same owner, and few partitions move with each. */
export function ownerOf(partition: number, instances: readonly string[]): string | undefined {
  let owner: string | undefined;
  let highest = -1;
  for (const instance of instances) {
    const weight = hash(`${partition}:${instance}`);
    if (weight > highest || (weight === highest && owner !== undefined && instance > owner)) {
      owner = instance;
      highest = weight;
    }
  }
  return owner;
}

/** FNV-1a with a last mixing: without it, names that differ in their end alone fall close together. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  value = Math.imul(value ^ (value >>> 12), 0x297a2d39);
  return (value ^ (value >>> 15)) >>> 0;
}
