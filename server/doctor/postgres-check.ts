import type { Config } from '../config.ts';
import { contactPostgres } from '../durable/first-contact.ts';
import { MIGRATIONS_DIRECTORY } from '../durable/migration-files.ts';
import { MigrationError } from '../durable/migration-error.ts';
import { pendingMigrations } from '../durable/migrate.ts';
import { connectPostgres } from '../durable/postgres.ts';
import { examinePostgres, type PostgresExamination } from '../durable/postgres-examination.ts';
import { placeOf } from '../durable/start-reasons.ts';
import { VERSION } from '../version.ts';
import { bounded, reasonsOf } from './bounded.ts';
import { clockFinding } from './clock.ts';
import { failed, failedAs, ok, warning, type Finding } from './finding.ts';

/** Tested with the first, and supported by its makers up to the last. */
const VERSIONS = { oldest: 15, newest: 18 } as const;
/** As many instances should find room: one that is replaced overlaps with its successor. */
const FEWEST_INSTANCES = 3;

type External = Extract<Config['database'], { kind: 'external' }>;

/** `tellIdentity` is called once, with the identity of the database, or with null when it cannot be known. */
export async function checkPostgres(
  config: Config,
  database: External,
  tellIdentity: (identity: string | null) => void,
): Promise<readonly Finding[]> {
  try {
    const reached = await bounded('postgres', () => reach(database));
    if (reached.some(({ verdict }) => verdict === 'failed')) return reached;
    const [examined, schema] = await Promise.all([
      bounded('postgres', async () => {
        const examination = await examinePostgres(database);
        tellIdentity(examination.identity);
        return judge(examination, config, database);
      }),
      bounded('schema', () => checkSchema(database)),
    ]);
    return [...reached, ...examined, ...schema];
  } finally {
    // After the first answer this changes nothing.
    tellIdentity(null);
  }
}

/** Looked at as a start of the server does, which refuses with the same words. */
async function reach(database: External): Promise<readonly Finding[]> {
  try {
    await contactPostgres(database, { patienceMs: 0 });
    return [ok('postgres', `the database "${database.database}" at ${placeOf(database)} can be worked with`)];
  } catch (error) {
    return [failedAs('postgres', reasonsOf(error))];
  }
}

function judge(
  { version, major, isEncrypted, connections, others, clockOffsetMs }: PostgresExamination,
  { redis, nodeEnv }: Config,
  database: External,
): readonly Finding[] {
  return [
    versionFinding(version, major),
    encryptionFinding(isEncrypted, nodeEnv, database),
    connections === null
      ? ok('postgres connections', 'a pooler lends them: its own limits count')
      : connectionsFinding(connections, database, redis !== null),
    clockFinding('postgres clock', clockOffsetMs, 'Postgres'),
    ...(redis === null && others.length > 0 ? [instancesFinding(others)] : []),
  ];
}

function versionFinding(version: string, major: number): Finding {
  const check = 'postgres version';
  if (major >= VERSIONS.oldest && major <= VERSIONS.newest) return ok(check, version);
  const which = major < VERSIONS.oldest ? 'older' : 'newer';
  const found = `${version} is ${which} than what the server is meant for`;
  return warning(check, found, `Take one of ${VERSIONS.oldest} to ${VERSIONS.newest}.`);
}

function encryptionFinding(isEncrypted: boolean, nodeEnv: Config['nodeEnv'], { host, ssl }: External): Finding {
  const check = 'postgres tls';
  if (isEncrypted) return ok(check, 'the connection is encrypted, and the certificate verified');
  if (host.startsWith('/')) return ok(check, 'over a socket of this machine');
  const isHere = /^(localhost|::1|127\..*)$/.test(host);
  if (isHere || nodeEnv !== 'production') return ok(check, 'the connection is not encrypted');
  // Behind a pooler it is the way from there to the server that is told of, which is not ours.
  if (ssl) return ok(check, 'encrypted as far as the pooler');
  const found = 'DATABASE_SSL is false: passwords and messages pass the network in the clear';
  return warning(check, found, 'Remove DATABASE_SSL=false, or make sure that nobody else is on that network.');
}

function connectionsFinding(
  { most, used }: { readonly most: number; readonly used: number },
  { poolMax }: External,
  isShared: boolean,
): Finding {
  const check = 'postgres connections';
  const room = Math.floor(most / poolMax);
  const found = `${most} can be had, ${used} are in use; DATABASE_POOL_MAX is ${poolMax}`;
  const advice = 'Lower DATABASE_POOL_MAX, or raise max_connections.';
  if (room < 1) return failed(check, `${found}: not enough for one instance`, advice);
  if (isShared && room < FEWEST_INSTANCES) {
    return warning(check, `${found}: enough for ${room} ${room === 1 ? 'instance' : 'instances'}`, advice);
  }
  return ok(check, isShared ? `${found}: enough for ${room} instances` : found);
}

function instancesFinding(others: readonly string[]): Finding {
  const found = `another Tandem uses this database, from ${others.join(', ')}, and this one has no Redis`;
  const advice =
    'End one of them, or give all of them the same REDIS_URL: without it they overwrite each other’s sessions.';
  return failed('instances', found, advice);
}

async function checkSchema(database: External): Promise<readonly Finding[]> {
  const check = 'schema';
  try {
    const pending = await pendingMigrations(connectPostgres(database).connection, MIGRATIONS_DIRECTORY, VERSION);
    const [first] = pending;
    if (first === undefined) return [ok(check, `has every migration of version ${VERSION}`)];
    const found = `${pending.length} ${pending.length === 1 ? 'migration is' : 'migrations are'} to be applied, from ${first.version}_${first.name} on`;
    return [warning(check, found, 'The next start applies them; npm run migrate does so without a start.')];
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    return [failed(check, error.message, 'Start the version that belongs to this database, or restore its backup.')];
  }
}
