import type { RedisConfig } from '../config.ts';
import type { Redis, RedisAddress, RedisReply } from '../state/redis/client.ts';
import { Connection } from '../state/redis/client-connection.ts';
import { replyCode, toError } from '../state/redis/client-errors.ts';
import { ok, warning, type Finding } from './finding.ts';

/** Fewer cannot vote for another primary when one of them is gone. */
const FEWEST_SENTINELS = 3;

/** Whether enough sentinels answer, and what they say. Nothing where there are none. */
export async function checkSentinels({ topology, ...settings }: RedisConfig): Promise<readonly Finding[]> {
  if (topology.kind !== 'sentinel') return [];
  const check = 'redis sentinels';
  const { name, sentinels } = topology;
  const answers = await Promise.allSettled(sentinels.map((sentinel) => askSentinel(sentinel, name, settings)));
  const fields = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [first] = fields;
  const told = `${fields.length} of ${sentinels.length} sentinels name the primary "${name}"`;
  if (first === undefined) return []; // `redis` says that
  const [quorum, replicas] = [Number(first.get('quorum')), Number(first.get('num-slaves'))];
  const found = `${told}; quorum ${quorum}, ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`;
  if (replicas === 0) return [warning(check, found, 'Start a replica: there is nobody to take over.')];
  if (fields.length < sentinels.length) return [warning(check, found, 'Start the others, or correct REDIS_SENTINELS.')];
  if (sentinels.length < FEWEST_SENTINELS) return [warning(check, found, 'Name all sentinels; there should be three.')];
  return [ok(check, found)];
}

async function askSentinel(
  address: RedisAddress,
  name: string,
  settings: Omit<RedisConfig, 'topology' | 'keyPrefix'>,
): Promise<ReadonlyMap<string, string>> {
  const connection = await openSentinel(address, settings);
  try {
    return pairs(await connection.send(['SENTINEL', 'MASTER', name]));
  } finally {
    connection.end(new Error('The sentinel was asked'));
  }
}

/** As the server does: sentinels mostly have no password, and one that has none refuses a client that brings one. */
async function openSentinel(
  address: RedisAddress,
  settings: Omit<RedisConfig, 'topology' | 'keyPrefix'>,
): Promise<Connection> {
  try {
    return await Connection.open(address, { ...settings, username: null, password: null, database: 0 });
  } catch (error) {
    if (settings.password === null || replyCode(error) !== 'NOAUTH') throw toError(error);
    return Connection.open(address, { ...settings, database: 0 });
  }
}

function pairs(reply: RedisReply): ReadonlyMap<string, string> {
  const list = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(list.flatMap((field, at): [string, string][] => (at % 2 === 0 ? [[field, list[at + 1] ?? '']] : [])));
}

/** In a cluster: whether each primary has somebody to take over. */
export async function checkReplicas(redis: Redis): Promise<readonly Finding[]> {
  if (redis.kind !== 'cluster') return [];
  const check = 'redis replicas';
  const reply = await redis.send(['CLUSTER', 'SLOTS']);
  // Of each range: first, last, primary, replicas.
  const ranges = Array.isArray(reply) ? (reply as readonly RedisReply[]) : [];
  const alone = new Set(
    ranges.flatMap((range) =>
      Array.isArray(range) && range.length < 4 ? [String((range[2] as RedisReply[])[1])] : [],
    ),
  );
  const primaries = redis.primaries().length;
  if (alone.size === 0) return [ok(check, `every slot has an owner among ${primaries} primaries, each with a replica`)];
  const found = `every slot has an owner among ${primaries} primaries, ${alone.size} of them without a replica`;
  return [warning(check, found, 'Add replicas: where a primary without one ends, its sessions stand still.')];
}
