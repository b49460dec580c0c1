import { replyCode, toError } from './client-errors.ts';
import { createFacade } from './client-facade.ts';
import { RedisLink } from './client-link.ts';
import { Readiness } from './client-readiness.ts';
import { findPrimary } from './client-sentinels.ts';
import type { Guard, Redis, RedisAddress, RedisHooks, RedisOptions } from './client-types.ts';
import type { RedisPrimary, RedisTopology } from './client-types.ts';

/** How often the sentinels are asked whether the primary still is one: a demoted one may go on answering. */
const SENTINEL_INTERVAL_MS = 2000;

/** One primary: the server that was named, or the one that the sentinels name. */
export function createSingle(
  options: RedisOptions,
  topology: Exclude<RedisTopology, { kind: 'cluster' }>,
  hooks: RedisHooks,
): Redis {
  const readiness = new Readiness(hooks);
  const listeners = new Set<(primary: RedisPrimary) => void>();
  const find = (): Promise<RedisAddress> =>
    topology.kind === 'standalone' ? Promise.resolve(topology) : findPrimary(topology, options);
  const link = new RedisLink({
    settings: options,
    find,
    onUp: (primary, isAnew) => {
      if (isAnew) hooks.onReconnect?.();
      for (const listener of listeners) listener(primary);
      readiness.ready();
    },
    onDown: (error) => readiness.notReady(error),
  });
  const send = async (args: readonly (string | Buffer)[], guard?: Guard) => {
    const go = async () => link.connection.send(args);
    try {
      return await (guard === undefined ? go() : guard.pass(() => link.primary, go));
    } catch (error) {
      // Demoted while we were connected to it.
      if (replyCode(error) === 'READONLY') link.drop(toError(error));
      throw error;
    }
  };
  let timer: NodeJS.Timeout | null = null;
  const compare = async () => {
    const connected = link.primary;
    if (connected === null) return;
    const named = await find();
    if (named.host === connected.host && named.port === connected.port) return;
    link.drop(new Error(`The sentinels name another primary: ${named.host}:${named.port}`));
  };
  return createFacade(
    {
      kind: topology.kind,
      readiness,
      settings: options,
      placement: {
        isSharded: false,
        placeOf: () => 'primary',
        find,
        refresh: () => undefined,
        onChange: () => () => undefined,
      },
      start: () => {
        link.start();
        if (topology.kind === 'standalone') return;
        // Sentinels that do not answer say nothing against the primary.
        timer ??= setInterval(() => void compare().catch(() => undefined), SENTINEL_INTERVAL_MS).unref();
      },
      send: (args, _key, guard) => send(args, guard),
      sendToPrimaries: async (args) => [await send(args)],
      primaries: () => (link.primary === null ? [] : [link.primary]),
      onPrimary: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      failure: () => link.failure,
      close: async () => {
        if (timer !== null) clearInterval(timer);
        await link.close();
      },
    },
    hooks,
  );
}
