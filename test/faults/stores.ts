import pg from 'pg';
import type { JsonValue, Message } from '../../protocol/session.ts';
import { decodeDocument } from '../../server/state/redis/document-text.ts';
import { Keys } from '../../server/state/redis/keys.ts';
import type { SessionEvidence, Standing } from './evidence.ts';

/** One command to the server of Redis that has this key. */
export type RedisCommand = (key: string, ...args: readonly string[]) => Promise<unknown>;

const PREFIX = 'tandem';

/** The hot log of a session, as Redis itself tells it. */
export async function readRedisLog(command: RedisCommand, sessionId: string): Promise<SessionEvidence['redis']> {
  const { log } = new Keys(PREFIX).session(sessionId);
  const entries = await command(log, 'XRANGE', log, '-', '+');
  if (!Array.isArray(entries)) throw new Error(`expected the entries of ${log}, received ${String(entries)}`);
  return entries.map((entry: unknown) => {
    const [name, fields] = entry as [string, string[]]; // By the protocol of Redis, version 2.
    return { seq: Number(name.split('-')[0]), id: idIn(fields[fields.indexOf('m') + 1] ?? '') };
  });
}

/** Null when Redis has no such session. */
export async function readRedisStanding(command: RedisCommand, sessionId: string): Promise<Standing | null> {
  const { flat, document } = new Keys(PREFIX).session(sessionId);
  const numbers = await command(flat, 'HMGET', flat, 'epoch', 'seq', 'dseq');
  const text = await command(document, 'GET', document);
  if (!Array.isArray(numbers) || numbers.includes(null) || typeof text !== 'string') return null;
  const [epoch = 0, lastSeq = 0, durableSeq = 0] = numbers.map(Number);
  return {
    epoch,
    lastSeq,
    durableSeq,
    seats: decodeDocument(sessionId, text)
      .seats.map(({ id }) => id)
      .sort(),
  };
}

/** Null when Postgres has no such session. */
export async function readPostgresStanding(url: string, sessionId: string): Promise<Standing | null> {
  return withPostgres(url, async (client) => {
    const { rows } = await client.query<{ epoch: number; last_seq: string; seats: string[] }>(
      `select epoch, last_seq::text, array(
         select id::text from participants where session_id = sessions.id and left_at is null order by id::text
       ) as seats from sessions where id = $1`,
      [sessionId],
    );
    const [row] = rows;
    if (row === undefined) return null;
    return { epoch: row.epoch, lastSeq: Number(row.last_seq), durableSeq: null, seats: row.seats.sort() };
  });
}

/** Every row of a session. */
export async function readPostgres(url: string, sessionId: string): Promise<Message[]> {
  return withPostgres(url, async (client) => {
    const { rows } = await client.query<
      Record<'seq' | 'id' | 'participant_id' | 'type' | 'body', string> & { sent_at: Date }
    >(
      `select seq::text, id, participant_id, type, body::text, sent_at from messages where session_id = $1
       order by messages.seq`,
      [sessionId],
    );
    return rows.map(({ seq, id, participant_id: from, type, body, sent_at: sentAt }) => ({
      id,
      seq: Number(seq),
      sessionId,
      from,
      type,
      body: JSON.parse(body) as JsonValue,
      sentAt: sentAt.toISOString(),
    }));
  });
}

async function withPostgres<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

/** The text of a message is JSON without its end: its number and its time are beside it. */
function idIn(text: string): string | null {
  return /^\{"id":"([^"]*)"/.exec(text)?.[1] ?? null;
}
