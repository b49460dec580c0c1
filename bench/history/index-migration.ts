import type pg from 'pg';
import { MIGRATIONS_DIRECTORY, readMigrations, type MigrationFile } from '../../server/durable/migration-files.ts';

const NAME = 'indexes';

/** Drops what the migration of indexes makes, and nothing else. Gives their names. */
export async function undoIndexMigration(client: pg.Client): Promise<string[]> {
  const file = (await readMigrations(MIGRATIONS_DIRECTORY)).find(({ name }) => name === NAME);
  if (file === undefined) throw new Error(`There is no migration named ${NAME}`);
  const names = indexesMadeBy(file.sql);
  for (const name of names) await client.query(`drop index if exists ${name}`);
  return names;
}

export function indexesMadeBy(sql: string): string[] {
  return [...sql.matchAll(/^create (?:unique )?index if not exists (\w+)/gm)].map(([, name = '']) => name);
}

/** The migrations from that one on, for a database that has them: each is safe to apply twice. */
export async function migrationsFrom(first: string): Promise<MigrationFile[]> {
  const files = await readMigrations(MIGRATIONS_DIRECTORY);
  const index = files.findIndex(({ name }) => name === first);
  if (index === -1) throw new Error(`There is no migration named ${first}`);
  return files.slice(index);
}
