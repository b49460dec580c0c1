/**
 * The archiver's process: what a server archives with, and nothing else, so that the time of its processor is that of
 * archiving. Its argument is an `ArchiverPlan`; it says `ready`, starts when it is told to, and ends with the channel to
 * its parent.
 */
import { once } from 'node:events';
import { openDurable } from '../../server/durable/open-durable.ts';
import { createArchiver } from '../../server/jobs/archiver.ts';
import { createRedis } from '../../server/state/redis/client.ts';
import { Keys, PARTITIONS } from '../../server/state/redis/keys.ts';
import { Unarchived } from '../../server/state/redis/unarchived.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { redisOptions } from './redis-options.ts';
import { archiverPlanSchema } from './archiver-plan.ts';

/** As the server has them by default. */
const HOT_MESSAGES = 500;
const CLOSED_LIFE_MS = 3_660_000;

const { redisUrl, databaseUrl, prefix } = archiverPlanSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
const fail = (error: unknown): void => {
  console.error(error);
  process.exitCode = 1;
};
const redis = createRedis(redisOptions(redisUrl));
await redis.start();
const durable = await openDurable(
  { dataDir: '', database: externalPostgres(databaseUrl) },
  { onEvent: (event, error) => fail(error ?? event) },
);
const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const archiver = createArchiver({
  source: new Unarchived({
    redis,
    keys: new Keys(prefix),
    hotMessages: HOT_MESSAGES,
    closedLifeMs: CLOSED_LIFE_MS,
    owned: () => partitions,
    clock: () => '',
  }),
  durable: durable.store,
  onTurn: (isWell, error) => {
    if (!isWell) fail(error);
  },
  onPoison: (_, error) => fail(error),
});
process.send?.('ready');
await once(process, 'message');
archiver.start();
await once(process, 'disconnect');
await archiver.stop();
await durable.close();
await redis.close();
