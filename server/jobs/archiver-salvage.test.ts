import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openSqlDatabase, type SqlDatabase } from '../../test/support/sql-database.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import type { CommitBatch, StoredMessage, UnarchivedSession } from '../sessions/ports.ts';
import type { SessionDocument } from '../sessions/session.ts';
import { batchOf } from './archiver-batch.ts';
import { isLocked, isRefusal } from './archiver-refusal.ts';
import { salvage } from './archiver-salvage.ts';

let database: SqlDatabase;

beforeAll(async () => {
  database = await openSqlDatabase('Postgres server');
}, 60_000);
afterAll(() => database.close());

/** 22021: what a text of Postgres can't hold; the edge refuses it, so it stands for a fault of ours. */
const NUL = 'a\u0000b';

function unarchived(document: SessionDocument, messages: readonly StoredMessage[]): UnarchivedSession {
  const archived = { document: false, receipts: false };
  const own = { version: 1, lastActivityAt: 0, receipts: new Map(), ended: [], archived, asideMs: null };
  const { id: sessionId, epoch } = document;
  return { sessionId, epoch, document, messages, durableSeq: (messages[0]?.seq ?? 1) - 1, ...own };
}

function messagesOf(document: SessionDocument, first: number, last: number, wrong?: number): StoredMessage[] {
  const [host = newSeat('host')] = document.seats;
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const seq = first + index;
    return newMessage(document, host, seq, seq === wrong ? { type: NUL } : {});
  });
}

async function refusalOf(batch: CommitBatch): Promise<unknown> {
  return database.store.commit(batch).then(
    () => null,
    (error: unknown) => error,
  );
}

async function salvaged(session: UnarchivedSession) {
  const refusal = await refusalOf(batchOf([session]));
  expect(isRefusal(refusal)).toBe(true);
  return salvage(database.store, session, refusal);
}

async function storedSeqs({ id }: SessionDocument): Promise<number[]> {
  return (await database.store.readMessages(id, { afterSeq: 0, limit: 1000 })).map(({ seq }) => seq);
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

it('Postgres gets a session, its seats, and all before the message that it refuses', async () => {
  const document = newSession();
  const { stored, seq, fault } = await salvaged(unarchived(document, messagesOf(document, 1, 300, 211)));
  expect([stored?.messages.length, seq]).toEqual([210, 211]);
  expect(isRefusal(fault)).toBe(true);
  expect(await storedSeqs(document)).toEqual(upTo(210));
  const again = await salvaged(unarchived(document, messagesOf(document, 211, 300, 211)));
  expect([again.stored?.messages, again.seq]).toEqual([[], 211]);
});

it('Postgres gets the messages of a session whose new seat it refuses, as far as the seats are there', async () => {
  const document = newSession();
  await database.store.commit(creation(document));
  await database.store.commit(messagesOnly(...messagesOf(document, 1, 1)));
  const late = newSeat('guest', { name: NUL, joinedSeq: 3 });
  const grown = { ...document, seats: [...document.seats, late] };
  const { stored, seq } = await salvaged(unarchived(grown, messagesOf(document, 2, 5)));
  expect([stored?.messages.length, seq]).toEqual([2, null]);
  expect(await storedSeqs(document)).toEqual(upTo(3));
});

it('nothing is stored of a session of another epoch, or over another message', async () => {
  const document = newSession();
  await database.store.commit(creation(document));
  await database.store.commit(messagesOnly(...messagesOf(document, 1, 3)));
  const other = { ...document, epoch: 2 };
  expect((await salvaged(unarchived(other, messagesOf(other, 4, 6)))).stored).toBeNull();
  const { stored, seq } = await salvaged(unarchived(document, messagesOf(document, 1, 3)));
  expect([stored?.messages, seq]).toEqual([[], 1]);
  expect(await storedSeqs(document)).toEqual(upTo(3));
});

it('what holds for all sessions is no refusal of one, nor is a row that somebody holds', async () => {
  const document = newSession();
  await database.store.commit(creation(document));
  const batch = messagesOnly(...messagesOf(document, 1, 1));
  const { client } = database;
  await client.query('begin');
  await client.query('select 1 from sessions where id = $1 for update', [document.id]);
  const held = await refusalOf(batch);
  await client.query('rollback');
  expect([isLocked(held), isRefusal(held)]).toEqual([true, false]);

  await client.query('alter table messages rename to lost');
  const lost = await refusalOf(batch);
  await client.query('alter table lost rename to messages');
  expect(String(lost)).toContain('(42P01)');
  expect(isRefusal(lost)).toBe(false);
  expect(await refusalOf(batch)).toBeNull();
});
