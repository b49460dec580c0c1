import { afterEach, expect, it } from '@jest/globals';
import { newMessage, newSession } from '../../test/support/stored-session.ts';
import { TandemError } from '../../protocol/errors.ts';
import { RefusedCommitError, type ArchiveSource, type CommitBatch, type UnarchivedSession } from '../sessions/ports.ts';
import { createArchiver, type Archiver } from './archiver.ts';

/** Sessions that wait, as the archiver sees them: what is taken is handed out to nobody for a while. */
class Source implements ArchiveSource {
  readonly sessions = new Map<string, UnarchivedSession>();
  readonly settled: string[] = [];
  readonly unreadable = new Set<string>();
  outcome: 'done' | 'gone' = 'done';
  isAway = false;
  #waiting: string[] = [];

  add(...sessions: UnarchivedSession[]): void {
    for (const session of sessions) {
      this.sessions.set(session.document.id, session);
      this.#waiting.push(session.document.id);
    }
  }

  take(limit: number): Promise<{ sessionId: string; sinceMs: number }[]> {
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
    const taken = this.#waiting.splice(0, limit);
    return Promise.resolve(taken.map((sessionId) => ({ sessionId, sinceMs: 1000 })));
  }

  read(sessionId: string): Promise<UnarchivedSession | null> {
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
    if (this.unreadable.has(sessionId)) return Promise.reject(new SyntaxError('no document'));
    return Promise.resolve(this.sessions.get(sessionId) ?? null);
  }

  settle({ document: { id } }: UnarchivedSession): Promise<'done' | 'gone'> {
    this.settled.push(id);
    this.sessions.delete(id);
    return Promise.resolve(this.outcome);
  }
}

function waiting(messages = 0, bytes = 10): UnarchivedSession {
  const document = newSession();
  const [host] = document.seats;
  if (host === undefined) throw new Error('there is a host');
  const bodyJson = JSON.stringify('x'.repeat(bytes));
  return {
    ...{ document, version: 1, lastActivityAt: 0, receipts: new Map(), ended: [], durableSeq: 0 },
    messages: Array.from({ length: messages }, (_, index) => newMessage(document, host, index + 1, { bodyJson })),
  };
}

let source: Source;
let archiver: Archiver;
let batches: CommitBatch[];
let failure: (batch: CommitBatch) => Error | null;
let turns: boolean[];
let poisons: string[];
let now: number;
let onRound: () => void;

function open(): void {
  source = new Source();
  [batches, turns, poisons, now] = [[], [], [], 0];
  failure = () => null;
  onRound = () => undefined;
  archiver = createArchiver({
    source,
    durable: {
      commit: (batch) => {
        const error = failure(batch);
        onRound();
        if (error !== null) return Promise.reject(error);
        batches.push(batch);
        return Promise.resolve();
      },
    },
    onTurn: (isWell) => turns.push(isWell),
    onPoison: (sessionId) => poisons.push(sessionId),
    clock: () => now,
  });
}

afterEach(() => archiver.stop());

const commits = (count: number) =>
  new Promise<void>((resolve) => {
    let left = count;
    onRound = () => {
      left -= 1;
      if (left === 0) resolve();
    };
  });

it('stores what waits, and settles it after that alone', async () => {
  open();
  const sessions = [waiting(3), waiting(), waiting(1)];
  source.add(...sessions);
  const stored = commits(1);
  archiver.start();
  await stored;
  expect(source.settled).toEqual([]);
  await archiver.stop();
  expect(new Set(source.settled)).toEqual(new Set(sessions.map(({ document }) => document.id)));
  expect(batches.flatMap(({ messages }) => messages)).toHaveLength(4);
});

it('tries again what it could not store while the database was away, and tells of each turn once', async () => {
  open();
  source.add(waiting(1), waiting(1));
  failure = () => new Error('the connection was lost');
  const tried = commits(3);
  archiver.start();
  await tried;
  // Nothing else waits: a round without those would look well.
  expect(turns).toEqual([false]);
  expect(source.settled).toEqual([]);
  now = 60_000;
  expect(archiver.lagMs()).toBe(61_000);
  failure = () => null;
  const stored = commits(1);
  await stored;
  await archiver.stop();
  expect(turns).toEqual([false, true]);
  expect(source.settled).toHaveLength(2);
  expect(archiver.lagMs()).toBe(0);
});

it.each([
  ['that the archive refuses', (id: string) => void (failure = (batch) => refusal(batch, id))],
  ['that nobody can read', (id: string) => void source.unreadable.add(id)],
])('a session %s is an alarm and keeps no other from the archive', async (_which, spoil) => {
  open();
  const [first, poison, last] = [waiting(1), waiting(1), waiting(1)];
  spoil(poison.document.id);
  source.add(first, poison, last);
  archiver.start();
  await archiver.stop();
  expect(poisons).toEqual([poison.document.id]);
  expect(new Set(source.settled)).toEqual(new Set([first.document.id, last.document.id]));
  expect(turns).toEqual([]);
});

it('puts no more into one transaction than it can store in time', async () => {
  open();
  source.add(
    ...Array.from({ length: 10 }, () => waiting(500)),
    ...Array.from({ length: 10 }, () => waiting(1, 600_000)),
  );
  archiver.start();
  await archiver.stop();
  expect(source.settled).toHaveLength(20);
  for (const { messages } of batches) {
    expect(messages.length).toBeLessThanOrEqual(2000);
    expect(messages.reduce((sum, { bodyJson }) => sum + bodyJson.length, 0)).toBeLessThanOrEqual(5_000_000);
  }
});

it('promises the archive for what is in it, and for nothing else', async () => {
  open();
  const [stored, refused, other] = [waiting(1), waiting(1), waiting(1)];
  source.add(stored, refused, other);
  expect(await archiver.archive(stored.document.id)).toBe(true);
  failure = (batch) => refusal(batch, refused.document.id);
  expect(await archiver.archive(refused.document.id)).toBe(false);
  expect(poisons).toEqual([refused.document.id]);
  failure = () => new Error('the connection was lost');
  expect(await archiver.archive(other.document.id)).toBe(false);
  failure = () => null;
  // Another session by now: what was stored is of an epoch that is over.
  source.outcome = 'gone';
  expect(await archiver.archive(other.document.id)).toBe(false);
  expect(await archiver.archive('nowhere')).toBe(false);
});

it('stops when neither store answers, and may be stopped twice', async () => {
  open();
  source.isAway = true;
  archiver.start();
  await archiver.stop();
  await archiver.stop();
  expect(batches).toEqual([]);
});

function refusal(batch: CommitBatch, sessionId: string): Error | null {
  return batch.sessions.some(({ document }) => document.id === sessionId) ? new RefusedCommitError('no') : null;
}
