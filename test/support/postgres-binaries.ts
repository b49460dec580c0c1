/** Where the programs of a Postgres server lie, and as whom they run. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { npmPostgres } from './npm-postgres.ts';

const DEBIAN = '/usr/lib/postgresql';

/** Of the version that `TEST_POSTGRES_VERSION` names, else of this machine; throws, with what to do, when it has none. */
export function postgresProgram(name: string): string {
  const version = process.env['TEST_POSTGRES_VERSION'] ?? '';
  if (version !== '') return join(npmPostgres(version), name);
  const directory = programDirectories().find((candidate) => isProgram(join(candidate, 'initdb')));
  if (directory === undefined) {
    throw new Error(
      `No Postgres server was found on the PATH or in ${DEBIAN}. Install one (Debian: apt-get install postgresql), ` +
        'or run ./setup.sh test, which does it.',
    );
  }
  return join(directory, name);
}

/** Debian's newest first: a link to `postgres` alone may lie on the PATH, so links are followed. */
function programDirectories(): string[] {
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'postgres'))
    .filter(isProgram)
    .map((program) => dirname(realpathSync(program)));
  return [...debianDirectories(), ...onPath];
}

function debianDirectories(): string[] {
  try {
    const versions = readdirSync(DEBIAN).sort((one, other) => Number(other) - Number(one));
    return versions.map((version) => join(DEBIAN, version, 'bin'));
  } catch {
    // Not a Debian, or without Postgres: the PATH decides.
    return [];
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root; anybody else runs it as himself. */
export function runAs(): RunAs {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const idOf = (kind: '-u' | '-g') =>
        Number(execFileSync('id', [kind, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: idOf('-u'), gid: idOf('-g') };
    } catch {
      // This machine has no such user; the next one.
    }
  }
  throw new Error('Postgres does not run as root, and there is neither a user "postgres" nor "nobody" to run it as.');
}
