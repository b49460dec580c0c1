import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../durable/errno.ts';
import { ok, type Finding } from './finding.ts';

/** The embedded database, without opening it: that would migrate it, and it belongs to one process at a time. */
export async function checkEmbedded(dataDir: string): Promise<readonly Finding[]> {
  const check = 'embedded database';
  try {
    const version = (await readFile(path.join(dataDir, 'postgres', 'PG_VERSION'), 'utf8')).trim();
    const found = `Postgres ${version} in DATA_DIR; which migrations it has, \`npm run migrate -- --dry-run\` says while no server runs`;
    return [ok(check, found)];
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    return [ok(check, 'there is none yet: the first start makes it')];
  }
}
