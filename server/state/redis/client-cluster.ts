import { setTimeout as delay } from 'node:timers/promises';
import { replyCode, toError, unavailable } from './client-errors.ts';
import { createFacade } from './client-facade.ts';
import type { RedisLink } from './client-link.ts';
import { ClusterNodes } from './client-nodes.ts';
import { Readiness } from './client-readiness.ts';
import { addressOf, redirectFrom } from './client-slots.ts';
import type { Guard, Redis, RedisAddress, RedisHooks, RedisOptions } from './client-types.ts';
import type { RedisPrimary, RedisReply } from './client-types.ts';

/** How long a command follows redirections and waits for keys on their way; an answer takes 1.5 s more at most. */
const REDIRECTION_MS = 500;
const TRY_AGAIN_MS = 25;

type Args = readonly (string | Buffer)[];

/** A Redis Cluster. A refused command was not run, so following a redirection sends nothing twice. */
export function createCluster(options: RedisOptions, seeds: readonly RedisAddress[], hooks: RedisHooks): Redis {
  const readiness = new Readiness(hooks);
  const primaryListeners = new Set<(primary: RedisPrimary) => void>();
  const mapListeners = new Set<() => void>();
  const nodes = new ClusterNodes({
    settings: options,
    seeds,
    onUp: (primary, isAnew) => {
      if (isAnew) hooks.onReconnect?.();
      for (const listener of primaryListeners) listener(primary);
    },
    onChange: () => {
      if (nodes.isWhole) readiness.ready();
      else readiness.notReady(nodes.failure);
      for (const listener of mapListeners) listener();
    },
  });
  return createFacade(
    {
      kind: 'cluster',
      readiness,
      settings: options,
      placement: {
        isSharded: true,
        placeOf: (channel) => nodes.placeOf(channel),
        find: (place) => Promise.resolve(addressOf(place)),
        refresh: () => nodes.refresh(),
        onChange: (listener) => {
          mapListeners.add(listener);
          return () => void mapListeners.delete(listener);
        },
      },
      start: () => nodes.start(),
      send: (args, key, guard) => (key === null ? sendToAny(nodes, args) : sendToOwner(nodes, args, key, guard)),
      sendToPrimaries: (args) => Promise.all(nodes.links.map(async (link) => link.connection.send(args))),
      primaries: () => nodes.links.flatMap(({ primary }) => (primary === null ? [] : [primary])),
      onPrimary: (listener) => {
        primaryListeners.add(listener);
        return () => void primaryListeners.delete(listener);
      },
      failure: () => nodes.failure,
      close: () => nodes.close(),
    },
    hooks,
  );
}

function sendToAny(nodes: ClusterNodes, args: Args): Promise<RedisReply> {
  const up = nodes.links.filter((link) => link.isUp);
  const link = up[Math.floor(Math.random() * up.length)];
  if (link === undefined) throw unavailable(nodes.failure);
  return link.connection.send(args);
}

async function sendToOwner(nodes: ClusterNodes, args: Args, key: string, guard?: Guard): Promise<RedisReply> {
  const place = nodes.placeOf(key);
  if (place === null) throw unavailable(nodes.failure);
  let link: RedisLink = nodes.link(place);
  let isAsking = false;
  const end = performance.now() + REDIRECTION_MS;
  for (;;) {
    const [asked, ahead] = [link, isAsking ? ['ASKING'] : null];
    const { address } = asked.connection;
    const go = async () => {
      const { connection } = asked;
      return ahead === null ? connection.send(args) : connection.sendAfter(ahead, args);
    };
    try {
      return await (guard === undefined ? go() : guard.pass(() => asked.primary, go));
    } catch (error) {
      const code = replyCode(error);
      const target = redirectFrom(toError(error).message, address);
      // Demoted, or its cluster broke: who owns what is about to change.
      if (code === 'READONLY' || code === 'CLUSTERDOWN') nodes.refresh();
      if (performance.now() > end || (target === null && code !== 'TRYAGAIN')) throw error;
      if (target === null) {
        // Some of the keys are still on their way to where the slot goes.
        await delay(TRY_AGAIN_MS);
        continue;
      }
      isAsking = code === 'ASK';
      if (!isAsking) nodes.moved(key, target);
      link = nodes.link(target);
      await link.up(Math.max(0, end - performance.now()));
    }
  }
}
