import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../server/durable/embedded.ts';
import { createPool } from '../../server/durable/pool.ts';

export interface Row {
  readonly table: string;
  readonly text: string;
}

/** A secret in every form in which a program may have written it down. */
export function formsOf(secret: Buffer): Buffer[] {
  const shifted = [0, 1, 2].flatMap((shift) => {
    // Base64 of a longer text has this one at any of three alignments; its ends share characters with the neighbours.
    const padded = Buffer.concat([Buffer.alloc(shift), secret]);
    const whole = padded.subarray(0, padded.length - (padded.length % 3));
    return (['base64', 'base64url'] as const).map((encoding) => whole.toString(encoding).slice(shift === 0 ? 0 : 4));
  });
  const hex = secret.toString('hex');
  const texts = [...new Set([...shifted, hex, hex.toUpperCase()])];
  return [secret, Buffer.from(secret.toString('latin1'), 'utf16le'), ...texts.map((text) => Buffer.from(text))];
}

/** The sources that have the secret in any form. */
export function findIn(sources: ReadonlyMap<string, Buffer>, secret: Buffer): string[] {
  const forms = formsOf(secret);
  return [...sources].flatMap(([name, bytes]) => (forms.some((form) => bytes.includes(form)) ? [name] : []));
}

/** Every file below a directory as it lies on the disk, by path. */
export async function filesBelow(directory: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = async (file: string): Promise<[string, Buffer]> => [file, await readFile(file)];
  return new Map(await Promise.all(files.map(read)));
}

/** Every row of every table that is not Postgres's own, from the directory of a server that has ended. */
export async function rowsOf(dataDir: string): Promise<Row[]> {
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onEvent: (event, error) => {
      if (event === 'lost') throw error ?? new Error('The embedded Postgres was lost');
    },
  });
  const pool = createPool(postgres.connection, { max: 1 });
  try {
    const tables = await pool.query<{ name: string }>(
      {
        name: 'tables',
        text: `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema')`,
      },
      [],
    );
    const rows: Row[] = [];
    for (const { name } of tables) {
      const found = await pool.query<{ text: string }>(
        { name: `rows of ${name}`, text: `select to_json(t)::text as text from ${name} t` },
        [],
      );
      rows.push(...found.map(({ text }) => ({ table: name, text })));
    }
    return rows;
  } finally {
    await pool.end();
    await postgres.stop();
  }
}
