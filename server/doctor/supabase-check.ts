import type { Config } from '../config.ts';
import { MIGRATIONS_DIRECTORY } from '../durable/migration-files.ts';
import { createSupabaseCalls } from '../durable/supabase-client.ts';
import { contactSupabase } from '../durable/supabase-start.ts';
import { VERSION } from '../version.ts';
import { failedAs, ok, type Finding } from './finding.ts';
import { reasonsOf } from './bounded.ts';

/** The project in place of a Postgres: whether it answers, takes the key, and has the migrations of this code. */
export async function checkSupabase(
  project: Extract<Config['database'], { kind: 'supabase' }>,
): Promise<readonly Finding[]> {
  const calls = createSupabaseCalls(project, { max: 1 });
  try {
    const wanted = { directory: MIGRATIONS_DIRECTORY, codeVersion: VERSION };
    await contactSupabase(calls, project, wanted, { patienceMs: 0 });
    return [ok('supabase', `${project.url} answers, takes the key, and has every migration of this version`)];
  } catch (error) {
    return [failedAs('supabase', reasonsOf(error))];
  } finally {
    await calls.end();
  }
}
