/** Applies the migrations of a directory to the Postgres of a URL. */
import { connectPostgres } from '../../server/durable/postgres.ts';
import { migrate } from '../../server/durable/migrate.ts';
import { externalPostgres } from './external-postgres.ts';

const [, , url = '', migrations = ''] = process.argv;
const { applied } = await migrate(connectPostgres(externalPostgres(url)).migrating, migrations, '0.1.0');
console.log(JSON.stringify(applied));
