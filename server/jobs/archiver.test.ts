import { afterEach, expect, it, jest } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import { TandemError } from '../../protocol/errors.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type ArchiveSource,
  type CommitBatch,
  type UnarchivedSession,
} from '../sessions/ports.ts';
import { createArchiver, type Archiver } from './archiver.ts';
import { BatchSize } from './archiver-batch.ts';

/** Sessions that wait, as the archiver sees them: what is taken is handed out to nobody for a while. */
class Source implements ArchiveSource {
  readonly sessions = new Map<string, UnarchivedSession>();
  readonly settled: string[] = [];
  readonly unreadable = new Set<string>();
  /** Of each session that is set aside, why. */
  readonly aside = new Map<string, string>();
  readonly released: string[] = [];
  takes = 0;
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
    this.takes += 1;
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
    const taken = this.#waiting.splice(0, limit);
    return Promise.resolve(taken.map((sessionId) => ({ sessionId, sinceMs: 1000 })));
  }

  changed(limit: number): Promise<string[]> {
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
    const changed = [...this.sessions.values()].filter(({ archived }) => !archived.document);
    return Promise.resolve(changed.slice(0, limit).map(({ document }) => document.id));
  }

  read(sessionId: string, maxMessages: number): Promise<UnarchivedSession | null> {
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
    if (this.unreadable.has(sessionId)) return Promise.reject(new SyntaxError('no document'));
    const session = this.sessions.get(sessionId);
    return Promise.resolve(
      session === undefined ? null : { ...session, messages: session.messages.slice(0, maxMessages) },
    );
  }

  settle({ document: { id }, messages }: UnarchivedSession): Promise<'done' | 'more' | 'gone'> {
    const session = this.sessions.get(id);
    if (session !== undefined && session.messages.length > messages.length) {
      this.sessions.set(id, { ...session, messages: session.messages.slice(messages.length) });
      this.#waiting.push(id);
      return Promise.resolve('more');
    }
    this.settled.push(id);
    this.sessions.delete(id);
    this.aside.delete(id);
    return Promise.resolve(this.outcome);
  }

  settlePart(stored: UnarchivedSession): Promise<'settled'> {
    const { id } = stored.document;
    const session = this.sessions.get(id) ?? stored;
    const messages = session.messages.slice(stored.messages.length);
    this.sessions.set(id, { ...session, messages, durableSeq: session.durableSeq + stored.messages.length });
    return Promise.resolve('settled');
  }

  setAside(sessionId: string, _epoch: number | null, reason: string): Promise<'news' | 'known'> {
    const known = this.aside.get(sessionId) === reason;
    this.aside.set(sessionId, reason);
    return Promise.resolve(known ? 'known' : 'news');
  }

  release(sessionId: string): Promise<boolean> {
    this.released.push(sessionId);
    return Promise.resolve(true);
  }

  countAside(): Promise<number> {
    return Promise.resolve(this.aside.size);
  }
}

function waiting(messages = 0, bytes = 10): UnarchivedSession {
  const document = newSession();
  const [host] = document.seats;
  if (host === undefined) throw new Error('there is a host');
  const bodyJson = JSON.stringify('x'.repeat(bytes));
  return {
    ...{
      sessionId: document.id,
      epoch: document.epoch,
      document,
      version: 1,
      lastActivityAt: 0,
      receipts: new Map(),
      ended: [],
      durableSeq: 0,
      asideMs: null,
    },
    archived: { document: false, receipts: false },
    messages: Array.from({ length: messages }, (_, index) => newMessage(document, host, index + 1, { bodyJson })),
  };
}

let source: Source;
let archiver: Archiver;
let batches: CommitBatch[];
let failure: (batch: CommitBatch) => Error | null;
let turns: boolean[];
let poisons: string[];
let alarms: { sessionId: string; seq: number | null }[];
let mended: string[];
let restores: string[];
let restored: Promise<void>;
let now: number;
let onRound: () => void;

function open(): void {
  source = new Source();
  [batches, turns, poisons, now] = [[], [], [], 0];
  [alarms, mended, restores] = [[], [], []];
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
    onPoison: (sessionId, _error, _epoch, seq) => {
      poisons.push(sessionId);
      alarms.push({ sessionId, seq });
    },
    onMended: (sessionId) => mended.push(sessionId),
    onDivergence: (sessionId) => {
      restores.push(sessionId);
      return (restored = Promise.resolve());
    },
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

const settled = (count: number) =>
  eventually(() => (source.settled.length === count ? Promise.resolve() : Promise.reject(new Error('not yet'))));

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

it('stores at once what lists show, and each session by itself where one is refused', async () => {
  open();
  const [known, ...news] = [waiting(2), waiting(1), waiting(), waiting()];
  source.add({ ...known, archived: { document: true, receipts: true } }, ...news);
  await archiver.archiveChanges();
  const ids = (sessions: readonly UnarchivedSession[]) => sessions.map(({ document }) => document.id);
  expect(batches).toHaveLength(1);
  expect(source.settled).toEqual(ids(news));
  source.settled.length = 0;
  const more = [waiting(), waiting(), waiting()];
  source.add(...more);
  const [refused] = more;
  failure = (batch) => refusal(batch, refused?.document.id ?? '');
  await archiver.archiveChanges();
  expect(source.settled).toEqual(ids(more.slice(1)));
  expect([...source.aside.keys()]).toEqual([refused?.document.id]);
  // A reader waits for no store that is away.
  source.isAway = true;
  await archiver.archiveChanges();
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

it('gives a database that does not keep up less at a time, until it does', async () => {
  open();
  const most = 300;
  failure = ({ messages }) => (messages.length > most ? new TandemError('UNAVAILABLE') : null);
  const sizes = () => batches.map(({ messages }) => messages.length);
  source.add(...Array.from({ length: 4 }, () => waiting(500)));
  archiver.start();
  await settled(4);
  expect(Math.max(...sizes())).toBeLessThanOrEqual(most);
  expect(sizes().reduce((sum, size) => sum + size, 0)).toBe(2000);
  batches.length = 0;
  failure = () => null;
  source.add(...Array.from({ length: 20 }, () => waiting(500)));
  await settled(24);
  expect(Math.max(...sizes())).toBeGreaterThan(1000);
});

it('learns of small batches nothing about large ones', () => {
  const size = new BatchSize();
  size.failed(2000);
  size.stored(1);
  expect(size.messages).toBe(1000);
  size.stored(900);
  expect(size.messages).toBe(1100);
  // As few as they were, they were too many.
  size.failed(256);
  expect(size.messages).toBe(128);
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

it.each([
  ['the fourth of seven', 7, 4],
  ['the first', 9, 1],
  ['the last of many', 500, 500],
  ['the only one', 1, 1],
])('stores all before the message that is refused: %s', async (_which, count, wrong) => {
  open();
  const session = waiting(count);
  const id = session.messages[wrong - 1]?.id;
  let commits = 0;
  failure = (batch) => {
    commits += 1;
    return batch.messages.some((message) => message.id === id) ? new RefusedCommitError('that one (23514)') : null;
  };
  source.add(session);
  archiver.start();
  await archiver.stop();
  const stored = batches.flatMap(({ messages }) => messages).map(({ seq }) => seq);
  expect(stored).toEqual(Array.from({ length: wrong - 1 }, (_, index) => index + 1));
  expect(source.sessions.get(session.document.id)?.durableSeq).toBe(wrong - 1);
  expect(batches.some(({ sessions }) => sessions.length > 0)).toBe(true);
  expect(commits).toBeLessThanOrEqual(13);
  expect(alarms).toEqual([{ sessionId: session.document.id, seq: wrong }]);
  expect(await archiver.countAside()).toBe(1);
});

it('stores the messages of a session that is refused, up to the seats that nobody has stored', async () => {
  open();
  const session = waiting(6);
  const late = newSeat('guest', { joinedSeq: 4 });
  const document = { ...session.document, seats: [{ ...newSeat('host') }, late] };
  source.add({ ...session, document, durableSeq: 1, messages: session.messages.slice(1) });
  failure = (batch) => (batch.sessions.length > 0 ? new RefusedCommitError('no such name (22P05)') : null);
  archiver.start();
  await archiver.stop();
  expect(batches.flatMap(({ messages }) => messages).map(({ seq }) => seq)).toEqual([2, 3, 4]);
  expect(alarms).toEqual([{ sessionId: document.id, seq: null }]);
});

it('tells of a session once, until the reason is another or it is well again', async () => {
  open();
  const session = { ...waiting(1), asideMs: 0 };
  const { id } = session.document;
  const tryAgain = async () => {
    source.add(session);
    archiver.start();
    await archiver.stop();
  };
  for (const reason of ['5 rows (23514)', '17 rows (23514)', 'other rows (23514)', 'other rows (23514)']) {
    failure = (batch) => (batch.messages.length > 0 ? new RefusedCommitError(reason) : null);
    await tryAgain();
  }
  expect(poisons).toEqual([id, id]);
  expect(mended).toEqual([]);
  failure = () => null;
  await tryAgain();
  expect(mended).toEqual([id]);
  expect(await archiver.countAside()).toBe(0);
});

it('has what the archive contradicts put back, each time, and taken at once after that', async () => {
  open();
  const session = waiting(2);
  failure = () => new DivergenceError('another epoch');
  for (let count = 1; count <= 2; count += 1) {
    source.add(session);
    archiver.start();
    await archiver.stop();
    await restored;
    expect(source.released).toHaveLength(count);
  }
  expect(restores).toEqual([session.document.id, session.document.id]);
  expect(mended).toEqual(restores);
  expect(poisons).toEqual([session.document.id]);
});

it.each([
  ['has no room', 'No room (53100)'],
  ['is read-only', 'cannot execute INSERT in a read-only transaction (25006)'],
  ['lacks a function', 'function f() does not exist (42883)'],
])('no session is to blame when the database %s', async (_which, message) => {
  open();
  source.add(waiting(1), waiting(1));
  failure = () => new RefusedCommitError(message);
  const tried = commits(2);
  archiver.start();
  await tried;
  expect(turns).toEqual([false]);
  failure = () => null;
  await commits(1);
  await archiver.stop();
  expect(turns).toEqual([false, true]);
  expect(poisons).toEqual([]);
  expect(source.settled).toHaveLength(2);
});

it('a session whose row somebody holds is left for now, and keeps no other from the archive', async () => {
  open();
  const [held, other] = [waiting(1), waiting(1)];
  source.add(held, other);
  failure = (batch) =>
    batch.sessions.some(({ document }) => document.id === held.document.id)
      ? new RefusedCommitError('canceling statement due to lock timeout (55P03)')
      : null;
  const tried = commits(3);
  archiver.start();
  await tried;
  await archiver.stop();
  expect([poisons, turns]).toEqual([[], [false]]);
  expect(source.settled).toEqual([other.document.id]);
});

it('looks four times a second while there is nothing to do, and again 100 ms after it did something', async () => {
  jest.useFakeTimers();
  try {
    open();
    archiver.start();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(source.takes).toBeGreaterThanOrEqual(38);
    expect(source.takes).toBeLessThanOrEqual(42);
    source.add(waiting(1));
    await jest.advanceTimersByTimeAsync(250);
    expect(source.settled).toHaveLength(1);
    for (let count = 2; count <= 5; count += 1) {
      source.add(waiting(1));
      await jest.advanceTimersByTimeAsync(100);
      expect(source.settled).toHaveLength(count);
    }
    const before = source.takes;
    await jest.advanceTimersByTimeAsync(10_000);
    expect(source.takes - before).toBeLessThanOrEqual(43);
    await archiver.stop();
  } finally {
    jest.useRealTimers();
  }
});

function refusal(batch: CommitBatch, sessionId: string): Error | null {
  return batch.sessions.some(({ document }) => document.id === sessionId) ? new RefusedCommitError('no') : null;
}
