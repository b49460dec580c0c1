import { fault } from './faults.ts';
import type { Reading } from './values.ts';

/** Faults between the variables of Supabase and their neighbours. */
export function supabaseFaults({ given }: Reading): string[] {
  const faults: string[] = [];
  const hasUrl = given.has('SUPABASE_URL');
  const hasKey = given.has('SUPABASE_SERVICE_ROLE_KEY');
  if (hasKey && !hasUrl) {
    const because = 'it to be set, because SUPABASE_SERVICE_ROLE_KEY is';
    faults.push(fault('SUPABASE_URL', 'nothing', because, 'set both or remove both'));
  }
  // With a Postgres of its own, the project is there for its access tokens alone.
  if (hasUrl && !hasKey && !given.has('DATABASE_URL')) {
    const because = 'it to be set, because SUPABASE_URL is';
    faults.push(fault('SUPABASE_SERVICE_ROLE_KEY', 'nothing', because, 'set both or remove both'));
  }
  return faults;
}
