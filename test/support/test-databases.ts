import { administer, createDatabase } from './fresh-database.ts';
import { startPostgres } from './postgres-server.ts';

export interface TestDatabases {
  /** URL of a fresh, empty database. It goes with the server, or with `stop`. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** For tests that look into a database: that of `TEST_DATABASE_URL`, or else a server started for them. */
export async function openTestDatabases(): Promise<TestDatabases> {
  const url = process.env['TEST_DATABASE_URL'] ?? '';
  if (url === '') return startPostgres();
  const made: string[] = [];
  return {
    createDatabase: async () => {
      const database = await createDatabase(url);
      made.push(database);
      return database;
    },
    stop: async () => {
      for (const database of made.splice(0)) {
        await administer(url, `drop database if exists ${new URL(database).pathname.slice(1)} with (force)`);
      }
    },
  };
}
