import type { ClientConfig } from 'pg';

/** How to reach a Postgres: all that the driver would otherwise take from the environment of the process. */
export type Connection = Pick<
  ClientConfig,
  | 'host'
  | 'port'
  | 'user'
  | 'database'
  | 'password'
  | 'ssl'
  | 'options'
  | 'application_name'
  | 'enableChannelBinding'
  // Deadlines that the server keeps, whatever becomes of this process.
  | 'statement_timeout'
  | 'lock_timeout'
>;
