/** An external Postgres can't be worked with. The message says in one line why, and what to do; it holds no password. */
export class DatabaseStartError extends Error {
  override readonly name = 'DatabaseStartError';
}
