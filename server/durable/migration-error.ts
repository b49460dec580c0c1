/** The database can't be brought to where this code needs it. The message says why, and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}
