import { replyCode, toError } from './client-errors.ts';
import { createFacade } from './client-facade.ts';
import { RedisLink } from './client-link.ts';
import { Readiness } from './client-readiness.ts';
import { findPrimary } from './client-sentinels.ts';
import type { Guard, Redis, RedisAddress, RedisHooks, RedisOptions } from './client-types.ts';
import type { RedisPrimary, RedisReply, RedisTopology } from './client-types.ts';

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
  const primary = () => link.primary;
  const sendNow = (args: readonly (string | Buffer)[]): Promise<RedisReply> => {
    try {
      return link.connection.send(args);
    } catch (error) {
      return Promise.reject(toError(error));
    }
  };
  const send = (args: readonly (string | Buffer)[], guard?: Guard): Promise<RedisReply> =>
    guard === undefined ? sendNow(args) : guard.pass(primary, () => sendNow(args));
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
      // Demoted while we were connected to it.
      onRefused: (error) => {
        if (replyCode(error) === 'READONLY') link.drop(toError(error));
      },
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
