import { fault } from './faults.ts';
import type { Reading } from './values.ts';

/** Faults between the variables of Supabase and their neighbours. */
export function supabaseFaults({ given }: Reading): string[] {
  const faults: string[] = [];
  const pair = ['SUPABASE_URL', 'SUPABASE_SERVICE_ROLE_KEY'] as const;
  const [present, ...others] = pair.filter((name) => given.has(name));
  if (present === undefined) return faults;
  if (others.length === 0) {
    const missing = pair[0] === present ? pair[1] : pair[0];
    faults.push(fault(missing, 'nothing', `it to be set, because ${present} is`, 'set both or remove both'));
  }
  // Never ignored: beside a Postgres the project would be there for its access tokens alone.
  if (given.has('DATABASE_URL')) {
    const reason = 'because with a database of its own, the project is there for its access tokens, which are';
    const expected = `it not to be set beside DATABASE_URL, ${reason} not available in this version`;
    faults.push(fault(present, 'a value', expected, 'remove it, or DATABASE_URL'));
  }
  return faults;
}
