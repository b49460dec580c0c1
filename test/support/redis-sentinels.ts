import { eventually } from './eventually.ts';
import { start, startRedis, type RedisServer, type RedisServerOptions } from './redis-server.ts';

export interface Sentinels {
  /** Under which the sentinels know the primary. */
  readonly name: string;
  readonly sentinels: readonly RedisServer[];
  /** All servers; the first was the primary at the start. */
  readonly servers: readonly RedisServer[];
  /** The server that a majority of the sentinels name now. */
  primary(): Promise<RedisServer>;
  stop(): Promise<void>;
}

/** A primary, its replicas and three sentinels that take it for dead after half a second. */
export async function startSentinels({
  replicas = 1,
  ...options
}: RedisServerOptions & { readonly replicas?: number } = {}): Promise<Sentinels> {
  const name = 'tandem-test';
  const started: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const keep = (server: RedisServer) => {
    started.push(server);
    return server;
  };
  try {
    const primary = keep(await startRedis(options));
    const others = await Promise.all(
      Array.from({ length: replicas }, async () => {
        const config = [...(options.config ?? []), `replicaof ${primary.host} ${primary.port}`];
        return keep(await startRedis({ ...options, config }));
      }),
    );
    const servers = [primary, ...others];
    const monitor = [
      `sentinel monitor ${name} ${primary.host} ${primary.port} 2`,
      `sentinel down-after-milliseconds ${name} 500`,
      // Half of it is how long a failed vote waits for the next one.
      `sentinel failover-timeout ${name} 2000`,
    ];
    if (options.requirepass !== undefined) monitor.push(`sentinel auth-pass ${name} ${options.requirepass}`);
    const sentinels = await Promise.all(
      Array.from({ length: 3 }, async () => keep(await start({ config: monitor }, 'sentinel'))),
    );
    await eventually(async () => {
      for (const sentinel of sentinels) {
        const state = pairs(await sentinel.command('SENTINEL', 'MASTER', name));
        const others = `${state.get('num-slaves')} replicas, ${state.get('num-other-sentinels')} sentinels`;
        if (others !== `${replicas} replicas, 2 sentinels`) throw new Error(`A sentinel knows ${others}`);
      }
      for (const replica of others) {
        if (!String(await replica.command('INFO', 'replication')).includes('master_link_status:up')) {
          throw new Error('A replica is not in step');
        }
      }
    });
    const named = async () => {
      const answers = await Promise.allSettled(
        sentinels.map((sentinel) => sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)),
      );
      const ports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [Number(portOf(answer.value))] : []));
      const found = servers.find(({ port }) => ports.filter((one) => one === port).length >= 2);
      if (found === undefined) throw new Error(`The sentinels do not agree: ${ports.join()}`);
      return found;
    };
    return { name, sentinels, servers, primary: named, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function pairs(reply: unknown): ReadonlyMap<string, string> {
  const list = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(
    list.flatMap((key, index): [string, string][] => (index % 2 === 0 ? [[key, list[index + 1] ?? '']] : [])),
  );
}

function portOf(reply: unknown): string {
  return Array.isArray(reply) ? String(reply[1]) : '';
}
