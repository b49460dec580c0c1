import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { guardDirectory } from '../../support/process-guard.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const DIST = path.join(ROOT, 'dist');

/** One place of the built server, and what stands there in the mutant. */
export interface Replacement {
  /** Below dist/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface MutatedBuild {
  /** What starts it. */
  readonly main: string;
  remove(): Promise<void>;
}

/** The text of the file with the replacement. Throws when what is looked for is not there exactly once. */
export async function mutated({ file, find, replace }: Replacement): Promise<string> {
  const text = await readFile(path.join(DIST, file), 'utf8');
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`expected this exactly once in dist/${file}, found it ${count} times: ${find}`);
  // As a function: a replacement may have a dollar sign.
  return text.replace(find, () => replace);
}

/** A copy of the built server with one change. */
export async function mutatedBuild(replacement: Replacement): Promise<MutatedBuild> {
  const text = await mutated(replacement);
  const dir = await mkdtemp(path.join(tmpdir(), 'tandem-mutant-'));
  guardDirectory(dir);
  const dist = path.join(dir, 'dist');
  await mkdir(dist);
  await cp(path.join(ROOT, 'package.json'), path.join(dir, 'package.json'));
  await symlink(path.join(ROOT, 'node_modules'), path.join(dir, 'node_modules'));
  for (const part of ['server', 'protocol'])
    await cp(path.join(DIST, part), path.join(dist, part), { recursive: true });
  for (const part of ['migrations', 'web', 'client']) await symlink(path.join(DIST, part), path.join(dist, part));
  await writeFile(path.join(dist, replacement.file), text);
  return {
    main: path.join(dist, 'server', 'main.js'),
    remove: () => rm(dir, { recursive: true, force: true, maxRetries: 3 }),
  };
}
