import { expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { Session } from '../../protocol/session.ts';
import { newSession } from '../../test/support/stored-session.ts';
import { SessionDirectory, type SessionDirectoryOptions } from './session-directory.ts';

const AWAY = new TandemError('UNAVAILABLE', 'Redis is away.');

function stage({ isStored = true, failure = AWAY }: { isStored?: boolean; failure?: Error } = {}) {
  const document = newSession();
  const stored = { document, lastSeq: 7, lastActivityAt: document.createdAt, receipts: new Map() };
  const page = { items: [], nextCursor: null };
  const options = {
    state: { read: () => Promise.reject(failure) },
    durable: {
      loadSession: () => Promise.resolve(isStored ? stored : null),
      leftSeats: () => Promise.resolve([]),
      sessionEvents: () => Promise.resolve(page),
    },
    announcer: { view: ({ lastSeq }: { lastSeq: number }) => ({ lastSeq }) as Session },
    now: () => document.createdAt,
  };
  // The rest of it is asked for nothing here.
  return { sessionId: document.id, directory: new SessionDirectory(options as unknown as SessionDirectoryOptions) };
}

it('whoever looks on sees what is stored while the hot state is away', async () => {
  const { sessionId, directory } = stage();
  expect(await directory.lookOn(sessionId)).toEqual({ lastSeq: 7 });
  expect(await directory.left(sessionId)).toEqual([]);
  expect(await directory.timeline(sessionId, { cursor: null, limit: 10 })).toEqual({ items: [], nextCursor: null });
});

it('who may decide by what is seen is told that it is away', async () => {
  const { sessionId, directory } = stage();
  await expect(directory.look(sessionId)).rejects.toBe(AWAY);
  await expect(directory.find(sessionId)).rejects.toBe(AWAY);
});

it('what is nowhere is not there, and a fault of ours is no outage', async () => {
  const { sessionId, directory } = stage({ isStored: false });
  await expect(directory.lookOn(sessionId)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
  const fault = new TypeError('no such thing');
  await expect(stage({ failure: fault }).directory.timeline('any', { cursor: null, limit: 1 })).rejects.toBe(fault);
});
