import { setFlagsFromString } from 'node:v8';

/**
 * A flag of V8 for servers of tests: machine code for the embedded Postgres is made once, in haste. To make it again and
 * better takes 1 to 2 s of processor time at each start, which a server that lives for seconds never gains back. Not for
 * what fills tables.
 */
export const HASTY_WASM = '--liftoff-only';

/** What starts meanwhile in this process is compiled so. The flag is of the whole process, and later files share it. */
export async function inHaste<T>(start: () => Promise<T>): Promise<T> {
  setFlagsFromString(HASTY_WASM);
  try {
    return await start();
  } finally {
    setFlagsFromString('--no-liftoff-only');
  }
}
