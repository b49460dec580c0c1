import { meetsDurability, type Config, type RedisConfig } from '../config.ts';
import { createRedis, type Redis } from '../state/redis/client.ts';
import { measureDurability, measureEviction, type RedisDurability } from '../state/redis/durability.ts';
import { Keys } from '../state/redis/keys.ts';
import { RedisClock } from '../state/redis/redis-clock.ts';
import { bounded, reasonsOf } from './bounded.ts';
import { clockFinding } from './clock.ts';
import { failed, ok, warning, type Finding } from './finding.ts';
import { checkMemory } from './redis-memory.ts';
import { refusedCommands } from './redis-permissions.ts';
import { checkReplicas, checkSentinels } from './redis-replicas.ts';

const REACH_MS = 4000;
/** Has the commands that the server sends; for a cluster, sharded channels. */
const OLDEST = { standalone: 6.2, sentinel: 6.2, cluster: 7 } as const;
/** What it is tested with. */
const TESTED_MAJOR = 7;

/** `identity` is that of the database, once it is known; null when it cannot be. */
export async function checkRedis(
  config: Config,
  settings: RedisConfig,
  identity: Promise<string | null>,
): Promise<readonly Finding[]> {
  const redis = createRedis(settings);
  try {
    const reached = await bounded('redis', () => reach(redis, settings), REACH_MS + 500);
    const sentinels = bounded('redis sentinels', () => checkSentinels(settings));
    if (reached.some(({ verdict }) => verdict === 'failed')) return [...reached, ...(await sentinels)];
    const checks: readonly [string, () => Promise<readonly Finding[]>][] = [
      ['redis version', () => Promise.resolve([versionOf(redis)])],
      ['redis eviction', () => checkEviction(redis)],
      ['redis durability', () => checkDurability(redis, config)],
      ['redis memory', () => checkMemory(redis)],
      ['redis rights', () => checkRights(redis, settings)],
      ['redis replicas', () => checkReplicas(redis)],
      ['redis clock', () => checkClock(redis)],
      ['redis owner', () => checkOwner(redis, settings, identity)],
    ];
    const found = await Promise.all(checks.map(([check, work]) => bounded(check, work)));
    return [...reached, ...(await sentinels), ...found.flat()];
  } finally {
    await redis.close();
  }
}

async function reach(redis: Redis, { topology, tls }: RedisConfig): Promise<readonly Finding[]> {
  try {
    await redis.start(REACH_MS);
  } catch (error) {
    const found = `cannot be reached: ${reasonsOf(error)}`;
    return [failed('redis', found, adviceFor(found, tls !== null))];
  }
  const places = redis.primaries().map(({ host, port }) => `${host}:${port}`);
  const kind = topology.kind === 'standalone' ? '' : ` (${topology.kind})`;
  return [ok('redis', `answers at ${places.join(', ')}${kind}${tls === null ? '' : ', encrypted'}`)];
}

function adviceFor(found: string, isEncrypted: boolean): string {
  if (/WRONGPASS|NOAUTH|invalid password/i.test(found)) return 'Correct REDIS_USERNAME and REDIS_PASSWORD, or the URL.';
  if (/NOPERM/.test(found)) return 'Give the user the rights of deploy/redis/tandem.acl.';
  if (/CERT|certificate|self.signed/i.test(found)) return 'Set REDIS_TLS_CA to the certificates that sign it.';
  if (/ENOTFOUND|EAI_AGAIN/.test(found)) return 'Correct the host name.';
  if (/SELECT|DB index/i.test(found)) return 'Correct REDIS_DB; a managed Redis often has no other database than 0.';
  const tls = isEncrypted ? 'whether it speaks TLS on that port' : 'whether it wants TLS (rediss:// or REDIS_TLS=true)';
  return `Start it, correct host and port, and see ${tls}.`;
}

function versionOf(redis: Redis): Finding {
  const check = 'redis version';
  const version = redis.serverVersion();
  if (version === null) {
    return warning(
      check,
      'Redis does not tell its version (INFO is forbidden)',
      'Allow INFO: +info in its access list.',
    );
  }
  const oldest = OLDEST[redis.kind];
  const number = Number(/^\d+\.\d+/.exec(version)?.[0]);
  if (number < oldest) return failed(check, `${version} is too old`, `Take ${oldest} or newer; 7 is tested.`);
  const major = Math.trunc(number);
  if (major === TESTED_MAJOR) return ok(check, version);
  return warning(
    check,
    `${version} is not what the server is tested with`,
    `Try it out before you rely on it, or take 7.`,
  );
}

async function checkEviction(redis: Redis): Promise<readonly Finding[]> {
  const check = 'redis eviction';
  const { policy, isSafe } = await measureEviction(redis);
  if (isSafe) return [ok(check, 'maxmemory-policy is noeviction')];
  if (policy === null) {
    const found =
      'Redis does not tell its maxmemory-policy (INFO and CONFIG GET are forbidden): the server is not ready';
    return [failed(check, found, 'Allow INFO: +info in its access list.')];
  }
  const advice = 'Set it to noeviction; any other drops messages that were acknowledged.';
  return [failed(check, `maxmemory-policy is ${policy}: the server is not ready`, advice)];
}

const MEANINGS: Readonly<Record<RedisDurability, string>> = {
  redis_always: 'an acknowledged message is on its disk; a crash of Redis costs nothing',
  redis_everysec:
    'an acknowledged message is on its disk within two seconds; a crash of Redis may cost what came since',
  redis_memory: 'an acknowledged message is in its memory alone; a crash of Redis costs what is not archived yet',
};

async function checkDurability(redis: Redis, { durability: wanted }: Config): Promise<readonly Finding[]> {
  const check = 'redis durability';
  const level = await measureDurability(redis);
  const found = `${level}: ${MEANINGS[level]}`;
  if (!meetsDurability(level, wanted)) {
    const advice = `DURABILITY asks for ${wanted}: lower it, or set up Redis for it (appendonly yes, appendfsync always).`;
    return [failed(check, `${found}. The server would not start`, advice)];
  }
  // Somebody chose it, knowing what it is worth.
  if (wanted !== 'auto' || level === 'redis_always') return [ok(check, found)];
  const advice = 'Set appendonly yes and appendfsync always; if CONFIG GET is forbidden, the server believes in less.';
  return [warning(check, found, advice)];
}

async function checkRights(redis: Redis, { keyPrefix }: RedisConfig): Promise<readonly Finding[]> {
  const check = 'redis rights';
  const refused = await refusedCommands(redis, keyPrefix);
  const [first] = refused;
  if (first === undefined) return [ok(check, `the user may do what the server does, below ${keyPrefix}:`)];
  const names = refused.map(({ command }) => command).join(' ');
  const advice = `Give the user the rights of deploy/redis/tandem.acl, for the prefix ${keyPrefix}.`;
  return [failed(check, `the user may not send ${names} (${first.reason})`, advice)];
}

async function checkClock(redis: Redis): Promise<readonly Finding[]> {
  const clock = new RedisClock(redis);
  await clock.look();
  return [clockFinding('redis clock', clock.now() - Date.now(), 'Redis')];
}

async function checkOwner(
  redis: Redis,
  { keyPrefix }: RedisConfig,
  identity: Promise<string | null>,
): Promise<readonly Finding[]> {
  const check = 'redis owner';
  const key = new Keys(keyPrefix).database;
  const [owner, own] = await Promise.all([redis.send(['GET', key], key), identity]);
  if (owner === null) return [ok(check, `no deployment has used the prefix ${keyPrefix} yet`)];
  if (own === null) return [ok(check, `the prefix ${keyPrefix} belongs to a database; which, cannot be compared now`)];
  if (owner === own) return [ok(check, `the prefix ${keyPrefix} belongs to this database`)];
  const found = `the prefix ${keyPrefix} belongs to another database (${String(owner)}) than this one (${own})`;
  return [failed(check, found, 'Give all instances the same DATABASE_URL, or this one a REDIS_KEY_PREFIX of its own.')];
}
