/**
 * Puts the migrations where Supabase's command line tool looks for them: `node scripts/supabase-copy.js`, then
 * `supabase link` and `supabase db push`. The names are those that it takes, so each file is copied as it is. Migrations
 * of others that lie there stay; ours that are gone from `migrations/` are named, and nothing is copied.
 */
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const OURS = /^-- oldest-code: /;

/**
 * @param {string} from
 * @param {string} to
 * @returns {Promise<string[]>} the names of what was copied, in the order in which they are applied
 */
export async function copyMigrations(from, to) {
  const names = await sqlFiles(from);
  await mkdir(to, { recursive: true });
  for (const name of await sqlFiles(to)) {
    if (names.includes(name) || !OURS.test(await readFile(path.join(to, name), 'utf8'))) continue;
    throw new Error(`${path.join(to, name)} is in ${from} no more: remove it, unless it was pushed already.`);
  }
  for (const name of names) await copyFile(path.join(from, name), path.join(to, name));
  return names;
}

/** @param {string} directory */
async function sqlFiles(directory) {
  return (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.resolve(import.meta.dirname, '..');
  const to = path.join(root, 'supabase/migrations');
  try {
    const names = await copyMigrations(path.join(root, 'migrations'), to);
    console.log(`${names.length} migrations are in ${to}. Next: supabase link, then supabase db push.`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
