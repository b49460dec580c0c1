import type { RecordedEvent } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';

const RECORD = { name: 'record_events', text: 'select record_events($1::jsonb)' };

export async function recordEvents(queries: Pick<Pool, 'query'>, events: readonly RecordedEvent[]): Promise<void> {
  if (events.length > 0) await queries.query(RECORD, [JSON.stringify(events.map(rowOf))]);
}

function rowOf({ id, sessionId, at, kind, participantId, reason, count }: RecordedEvent) {
  return { id, session_id: sessionId, at, kind, participant_id: participantId, reason, count };
}
