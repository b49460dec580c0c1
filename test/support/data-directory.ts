import { constants } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DataDirectory {
  readonly dir: string;
  remove(): Promise<void>;
}

/** A data directory of its own for a test, initialised and migrated: a copy of the one that the global setup made. */
export async function copyDataDirectory(): Promise<DataDirectory> {
  const template = process.env['TANDEM_TEST_DATA_DIRECTORY'];
  if (template === undefined) throw new Error('The global setup of the tests did not run');
  const directory = await emptyDataDirectory();
  // Shares the blocks where the file system can.
  await cp(template, directory.dir, { recursive: true, mode: constants.COPYFILE_FICLONE });
  return directory;
}

/** A directory for a test that begins with nothing. */
export async function emptyDataDirectory(): Promise<DataDirectory> {
  const dir = await mkdtemp(join(tmpdir(), 'tandem-test-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 3 }) };
}
