import type { Connection } from '../../server/durable/connection.ts';
import { createPool } from '../../server/durable/pool.ts';
import { createSqlStore } from '../../server/durable/sql-store.ts';
import { eventually } from './eventually.ts';

/** What of a session's timeline a test compares, the oldest first: kind, whom it is of, reason, and how often if not once. */
export type Told = [kind: string, participantId: string | null, reason: string | null, count?: number];

export interface TimelineReader {
  of(sessionId: string): Promise<Told[]>;
  /** As soon as it has one of this kind: an event is stored within a second or so. */
  with(sessionId: string, kind: string): Promise<Told[]>;
  close(): Promise<void>;
}

/** Reads what a server wrote into its database. */
export function readTimelines(connection: Connection): TimelineReader {
  const pool = createPool(connection, { max: 1 });
  const store = createSqlStore(pool);
  const of = async (sessionId: string): Promise<Told[]> => {
    const { items } = await store.sessionEvents(sessionId, { cursor: null, limit: 500 });
    return items
      .toReversed()
      .map(
        ({ kind, participantId, reason, count }) =>
          [kind, participantId, reason, ...(count === 1 ? [] : [count])] as Told,
      );
  };
  return {
    of,
    with: (sessionId, wanted) =>
      eventually(async () => {
        const told = await of(sessionId);
        if (!told.some(([kind]) => kind === wanted)) throw new Error(`no ${wanted} among ${JSON.stringify(told)}`);
        return told;
      }),
    close: () => pool.end(),
  };
}
