/** The first call to a Supabase project: waits for one that is starting, and looks whether it will do. */
import { setTimeout as delay } from 'node:timers/promises';
import { isOlder } from './code-version.ts';
import { DatabaseStartError } from './database-start-error.ts';
import { PATIENCE_MS, type ContactOptions } from './first-contact.ts';
import { MigrationError } from './migration-error.ts';
import { readMigrations } from './migration-files.ts';
import { SupabaseCallError, type SupabaseCalls, type SupabaseProject } from './supabase-client.ts';

const PAUSE_MS = 250;
/** Of the Data API: no such function. Where it has one that it may not show, it says so too. */
const UNKNOWN_FUNCTION = 'PGRST202';
const NO_PRIVILEGE = '42501';

export interface Applied {
  readonly version: string;
  readonly name: string;
  /** Null for what is not ours. */
  readonly oldestCode: string | null;
}

/** Rejects with `DatabaseStartError` when it can't be worked with, with `MigrationError` when its schema is another. */
export async function contactSupabase(
  calls: Pick<SupabaseCalls, 'call'>,
  project: SupabaseProject,
  { directory, codeVersion }: { readonly directory: string; readonly codeVersion: string },
  { onWaiting, signal, patienceMs = PATIENCE_MS }: ContactOptions = {},
): Promise<{ attempts: number }> {
  const end = performance.now() + patienceMs;
  for (let attempts = 1; ; attempts += 1) {
    try {
      await checkSchema(await appliedMigrations(calls), directory, codeVersion);
      return { attempts };
    } catch (error) {
      const reason = error instanceof SupabaseCallError ? await startReason(error, project, directory) : error;
      if (!mayPass(error) || performance.now() > end) throw reason;
      if (attempts === 1) onWaiting?.(reason instanceof Error ? reason : new Error(String(reason)));
    }
    await delay(PAUSE_MS, undefined, { ...(signal === undefined ? {} : { signal }) });
  }
}

async function appliedMigrations(calls: Pick<SupabaseCalls, 'call'>): Promise<Applied[]> {
  // Our own function; its answer is what its comment says.
  const { ours, pushed } = (await calls.call('schema')) as { readonly ours: Applied[]; readonly pushed: Applied[] };
  return [...ours, ...pushed];
}

async function checkSchema(applied: readonly Applied[], directory: string, codeVersion: string): Promise<void> {
  for (const { version, name, oldestCode } of applied) {
    if (oldestCode === null || !isOlder(codeVersion, oldestCode)) continue;
    throw new MigrationError(
      `The database was migrated by ${version}_${name}, which needs version ${oldestCode} of the code or a later one; ` +
        `this is version ${codeVersion}. Start a later version.`,
    );
  }
  const versions = new Set(applied.map(({ version }) => version));
  const missing = (await readMigrations(directory)).filter(({ version }) => !versions.has(version));
  const [first] = missing;
  if (first !== undefined) throw lacking(`${first.version}_${first.name}`, missing.length - 1);
}

function lacking(migration: string, others = 0): MigrationError {
  const more = others === 0 ? '' : ` and ${others} later`;
  return new MigrationError(
    `The Supabase project lacks the migration ${migration}${more}, and over SUPABASE_URL nothing can be migrated: run ` +
      '`node scripts/supabase-copy.js` and `supabase db push`, or `npm run migrate` with the DATABASE_URL of the project ' +
      'in place of SUPABASE_*.',
  );
}

/** Whether waiting may help: the project may be starting, as this server is. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof SupabaseCallError)) return false;
  return error.status === 0 || error.status === 429 || error.status >= 500;
}

async function startReason(error: SupabaseCallError, { url }: SupabaseProject, directory: string): Promise<Error> {
  const { status, code, message } = error;
  if (code === UNKNOWN_FUNCTION) {
    const files = await readMigrations(directory);
    const file = files.find(({ sql }) => sql.includes('function tandem_schema()'));
    return lacking(file === undefined ? 'that makes tandem_schema' : `${file.version}_${file.name}`);
  }
  if (code === NO_PRIVILEGE) {
    return new DatabaseStartError(
      `SUPABASE_SERVICE_ROLE_KEY: the role of this key may not use the tables of the project at ${url} (${message}); ` +
        'take its service_role key, or a secret one (sb_secret_…).',
    );
  }
  if (status === 401 || status === 403) {
    return new DatabaseStartError(
      `SUPABASE_SERVICE_ROLE_KEY: the project at ${url} refused the key (${message}); take the service_role key, or a ` +
        'secret one (sb_secret_…), of this project.',
    );
  }
  if (mayPass(error)) {
    const told = status === 0 ? 'cannot be reached' : 'cannot work now';
    return new DatabaseStartError(
      `SUPABASE_URL: the project at ${url} ${told} (${message}); correct the address, or restore the project if it is paused.`,
    );
  }
  return new DatabaseStartError(
    `SUPABASE_URL: what answers at ${url} is not the Data API of a Supabase project (${message}); take the URL that the ` +
      'project shows, without a path.',
  );
}
