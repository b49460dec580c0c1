/** The migrations of this code, as they lie in their directory. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MigrationError } from './migration-error.ts';
import { isVersion } from './code-version.ts';

/** Beside `server/` in the source, and beside the built one. */
export const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../migrations/', import.meta.url));

export interface MigrationFile {
  /** 14 digits. */
  readonly version: string;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with line feeds alone: a checkout on Windows may have put others there. */
  readonly checksum: string;
  /** The oldest code that can live with the database after this migration. */
  readonly oldestCode: string;
}

export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const files = await Promise.all(names.map((name) => readMigration(directory, name)));
  for (const [index, file] of files.entries()) {
    const before = files[index - 1];
    if (before?.version === file.version) {
      throw new MigrationError(`Two migrations have the version ${file.version}: ${before.name} and ${file.name}`);
    }
  }
  return files;
}

async function readMigration(directory: string, fileName: string): Promise<MigrationFile> {
  const [, version, name] = /^(\d{14})_([a-z0-9_]+)\.sql$/.exec(fileName) ?? [];
  if (version === undefined || name === undefined) {
    throw new MigrationError(`The migration ${fileName} must be named <14 digits>_<name>.sql`);
  }
  const sql = (await readFile(join(directory, fileName), 'utf8')).replaceAll('\r\n', '\n');
  const [, oldestCode] = /^-- oldest-code: (\S+)\n/.exec(sql) ?? [];
  if (oldestCode === undefined || !isVersion(oldestCode)) {
    throw new MigrationError(`The migration ${fileName} must begin with the line "-- oldest-code: <version>"`);
  }
  return { version, name, sql, checksum: createHash('sha256').update(sql).digest('hex'), oldestCode };
}
