import { replyCode, toCallerError } from './client-errors.ts';
import type { Readiness } from './client-readiness.ts';
import { Subscriber, type Placement } from './client-subscriber.ts';
import type { ConnectionSettings } from './client-connection.ts';
import type { Guard, Redis, RedisHooks, RedisKind, RedisPrimary, RedisReply, RedisScript } from './client-types.ts';

const START_DEADLINE_MS = 5000;

/** How commands find their way: what differs between one server and a cluster. */
export interface Router {
  readonly kind: RedisKind;
  readonly readiness: Readiness;
  readonly placement: Placement;
  readonly settings: ConnectionSettings;
  start(): void;
  send(args: readonly (string | Buffer)[], key: string | null, guard?: Guard): Promise<RedisReply>;
  sendToPrimaries(args: readonly string[]): Promise<readonly RedisReply[]>;
  /** Told of each command that failed, with what it failed with. */
  readonly onRefused?: (error: unknown) => void;
  primaries(): readonly RedisPrimary[];
  onPrimary(listener: (primary: RedisPrimary) => void): () => void;
  /** Why it is not ready. */
  failure(): Error;
  close(): Promise<void>;
}

interface Teaching {
  /** Calls that carry the whole script and are not answered. */
  underWay: number;
  readonly waiting: (() => void)[];
}

export function createFacade(router: Router, { onCommand, onReconnect }: RedisHooks): Redis {
  const { readiness } = router;
  const subscribers = new Set<Subscriber>();
  let closing: Promise<void> | null = null;

  /** Measures, and turns every failure into the one that callers know. */
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    try {
      return await work();
    } catch (error) {
      throw failed(error);
    } finally {
      onCommand?.((performance.now() - startedAt) / 1000);
    }
  };
  const failed = (error: unknown): Error => {
    router.onRefused?.(error);
    return toCallerError(error);
  };
  /** Scripts that a node is being taught, by their digest: guarded calls apart from others, which may open the guard. */
  const teachings = new Map<string, Teaching>();
  const teachingOf = (script: RedisScript, guard?: Guard) =>
    guard === undefined ? script.sha1 : `${script.sha1} guarded`;

  /**
   * A node that is new, was restarted or was told to forget: EVAL runs a script and lets the node keep it. Calls of it that
   * are made from now on wait until that is answered. By then all that was sent before has been answered, and what of it
   * was refused is sent again: nothing overtakes it.
   */
  const teach = (script: RedisScript, keys: readonly string[], args: readonly string[], guard?: Guard) => {
    const name = teachingOf(script, guard);
    const teaching = teachings.get(name) ?? { underWay: 0, waiting: [] };
    teachings.set(name, teaching);
    teaching.underWay += 1;
    const whole = ['EVAL', script.source, String(keys.length)].concat(keys, args);
    const taught = timed(() => router.send(whole, keys[0] ?? null, guard));
    const end = () => {
      teaching.underWay -= 1;
      if (teaching.underWay > 0) return;
      teachings.delete(name);
      for (const go of teaching.waiting) go();
    };
    taught.then(end, end);
    return taught;
  };

  /** The way of each message: one promise, where `timed` would make three. */
  const run: Redis['run'] = (script, keys, args, guard) => {
    const startedAt = performance.now();
    const command = ['EVALSHA', script.sha1, String(keys.length)].concat(keys, args);
    return router.send(command, keys[0] ?? null, guard).then(
      (reply) => {
        onCommand?.((performance.now() - startedAt) / 1000);
        return reply;
      },
      (error: unknown) => {
        if (replyCode(error) === 'NOSCRIPT') return teach(script, keys, args, guard);
        onCommand?.((performance.now() - startedAt) / 1000);
        throw failed(error);
      },
    );
  };

  const isSharded = router.kind === 'cluster';
  const close = async () => {
    readiness.close();
    await Promise.all([...[...subscribers].map((subscriber) => subscriber.close()), router.close()]);
  };
  return {
    kind: router.kind,
    start: (deadlineMs = START_DEADLINE_MS) => {
      router.start();
      return readiness.whenReady(deadlineMs, () => router.failure());
    },
    isReady: () => readiness.isReady,
    serverVersion: () => oldest(router.primaries().map(({ version }) => version)),
    primaries: () => router.primaries(),
    onLost: (listener) => readiness.onLost(listener),
    onRecovered: (listener) => readiness.onRecovered(listener),
    onPrimary: (listener) => router.onPrimary(listener),
    run: (script, keys, args, guard) => {
      const teaching = teachings.size === 0 ? undefined : teachings.get(teachingOf(script, guard));
      if (teaching === undefined) return run(script, keys, args, guard);
      return new Promise((resolve, reject) => {
        teaching.waiting.push(() => void run(script, keys, args, guard).then(resolve, reject));
      });
    },
    send: (args, key) => timed(() => router.send(args, key ?? null)),
    sendToPrimaries: (args) => timed(() => router.sendToPrimaries(args)),
    publish: (channel, message) =>
      timed(async () => Number(await router.send([isSharded ? 'SPUBLISH' : 'PUBLISH', channel, message], channel))),
    createSubscriber: () => {
      const subscriber = new Subscriber(router.placement, router.settings, {
        onClosed: () => subscribers.delete(subscriber),
        onReconnect: () => onReconnect?.(),
      });
      subscribers.add(subscriber);
      return subscriber;
    },
    close: () => (closing ??= close()),
  };
}

function oldest(versions: readonly string[]): string | null {
  const known = versions.filter((version) => version !== '');
  return known.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))[0] ?? null;
}
