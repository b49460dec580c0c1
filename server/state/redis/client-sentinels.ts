import { Connection, type ConnectionSettings } from './client-connection.ts';
import { replyCode } from './client-errors.ts';
import type { RedisAddress, RedisReply, RedisTopology } from './client-types.ts';

interface Opinion extends RedisAddress {
  readonly epoch: number;
}

/**
 * The primary that the sentinels name. All are asked, and the newest election counts: a sentinel that was cut off or
 * restarted still names the primary of before.
 */
export async function findPrimary(
  { name, sentinels }: Extract<RedisTopology, { kind: 'sentinel' }>,
  settings: ConnectionSettings,
): Promise<RedisAddress> {
  const answers = await Promise.allSettled(sentinels.map((sentinel) => ask(sentinel, name, settings)));
  const opinions = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [newest] = opinions.toSorted((one, other) => other.epoch - one.epoch);
  if (newest !== undefined) return { host: newest.host, port: newest.port };
  const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
  throw new AggregateError(reasons, `None of the ${sentinels.length} sentinels names a primary "${name}"`);
}

async function ask(sentinel: RedisAddress, name: string, settings: ConnectionSettings): Promise<Opinion> {
  const connection = await open(sentinel, settings);
  try {
    const reply = fields(await connection.send(['SENTINEL', 'MASTER', name]));
    const [host, port, epoch] = [reply.get('ip'), reply.get('port'), reply.get('config-epoch')];
    if (host === undefined || port === undefined) throw new Error(`A sentinel does not say where "${name}" is`);
    return { host, port: Number(port), epoch: Number(epoch ?? 0) };
  } finally {
    connection.end(new Error('The sentinel was asked'));
  }
}

/** Sentinels mostly have no password, and one that has none refuses a client that brings one. */
async function open(sentinel: RedisAddress, settings: ConnectionSettings): Promise<Connection> {
  try {
    return await Connection.open(sentinel, { ...settings, username: null, password: null, database: 0 });
  } catch (error) {
    if (settings.password === null || replyCode(error) !== 'NOAUTH') throw error;
    return Connection.open(sentinel, { ...settings, database: 0 });
  }
}

function fields(reply: RedisReply): ReadonlyMap<string, string> {
  const list = Array.isArray(reply) ? reply.map(String) : [];
  const pairs = list.flatMap((field, index): [string, string][] =>
    index % 2 === 0 ? [[field, list[index + 1] ?? '']] : [],
  );
  return new Map(pairs);
}
