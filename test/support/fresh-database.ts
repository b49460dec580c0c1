import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** URL of a fresh, empty database on the server of that URL, of which the role may make some. */
export async function createDatabase(url: string, sslCa: string | null = null): Promise<string> {
  const name = `tandem_test_${randomBytes(8).toString('hex')}`;
  await administer(url, `create database ${name}`, sslCa);
  const database = new URL(url);
  database.pathname = `/${name}`;
  return database.href;
}

export async function administer(url: string, sql: string, sslCa: string | null = null): Promise<void> {
  const client = new pg.Client({ connectionString: url, ...(sslCa === null ? {} : { ssl: { ca: sslCa } }) });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
