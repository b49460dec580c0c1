/** What every durable store must do: the guarantees of the port, checked against whatever implements it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type StoredMessage,
  type StoredSession,
} from '../sessions/ports.ts';
import type { Seat, SessionDocument } from '../sessions/session.ts';
import { eventually } from '../../test/support/eventually.ts';
import {
  NOTHING,
  NOW,
  creation,
  entry,
  messagesOnly,
  newMessage,
  newSeat,
  newSession,
} from '../../test/support/stored-session.ts';

export interface OpenDurableStore {
  readonly store: DurableStore;
  close(): Promise<void>;
  /** Breaks every connection of the store, as a failing network does. The database goes on. */
  breakConnections?(): Promise<void>;
}

export function describeDurableStore(name: string, open: () => Promise<OpenDurableStore>): void {
  describe(`durable store: ${name}`, () => {
    let opened: OpenDurableStore;
    let store: DurableStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(() => opened.close());

    describe('sessions', () => {
      it('gives a session back as it was committed, its seats away since now', async () => {
        const session = newSession({
          locked: true,
          approval: true,
          shareHistory: true,
          capacity: 50,
          metadata: { b: 1, a: { '\u{1f600}': [null, 'x', 1.5] }, '': '' },
          code: { value: 'BCD234', expiresAt: NOW + 900_001 },
          everPaired: true,
          seats: [
            newSeat('host', { name: 'Ada', userId: 'user-1', key: { hash: 'key-hash', at: NOW + 7 } }),
            newSeat('guest', { joinedAt: NOW + 123, joinedSeq: 4 }),
          ],
        });
        await store.commit(creation(session, NOW + 500));
        const now = NOW + 60_000;
        const stored = await loaded(store, session.id, now);
        expect(stored.document).toEqual(afterRestart(session, now));
        expect(stored).toMatchObject({ lastSeq: 0, lastActivityAt: NOW + 500 });
        expect(JSON.stringify(stored.document.metadata)).toBe(JSON.stringify(session.metadata));
        expect(await openSession(store, session.id, now)).toEqual(stored);
      });

      it('keeps times to the millisecond', async () => {
        for (const at of [NOW, NOW + 1, NOW + 999, 1, 946_684_799_999, 4_102_444_800_001]) {
          const session = newSession({ createdAt: at, code: { value: 'BCD234', expiresAt: at } });
          await store.commit(creation(session, at));
          const stored = await loaded(store, session.id);
          expect(stored.document.createdAt).toBe(at);
          expect(stored.document.code?.expiresAt).toBe(at);
          expect(stored.lastActivityAt).toBe(at);
        }
      });

      it('keeps the order in which seats were taken, whatever their times and ids', async () => {
        let session = newSession({ capacity: 50, seats: [newSeat('host', { joinedAt: NOW + 1000 })] });
        await store.commit(creation(session));
        for (let count = 0; count < 4; count += 1) {
          const joined = [newSeat('guest'), newSeat('guest')];
          session = { ...session, seats: [...session.seats, ...joined] };
          await store.commit(change(session, joined));
        }
        expect(seatIds(await loaded(store, session.id))).toEqual(session.seats.map((seat) => seat.id));
      });

      it('forgets a seat that ended, and knows the new host', async () => {
        const [host, guest] = [newSeat('host'), newSeat('guest')];
        const session = newSession({ seats: [host, guest] });
        await store.commit(creation(session));
        const newHost: Seat = { ...guest, role: 'host', tokenHash: 'another hash' };
        const later = { ...session, code: null, seats: [newHost] };
        await store.commit({
          ...change(later, [newHost]),
          ended: [{ sessionId: session.id, seat: host, reason: 'kicked', at: NOW }],
        });
        const stored = await loaded(store, session.id);
        expect(stored.document).toEqual(afterRestart(later, NOW));
        expect([...stored.receipts.keys()]).toEqual([newHost.id]);
      });

      it('takes a seat that came and went within one batch', async () => {
        const visitor = newSeat('guest');
        const host = newSeat('host');
        const session = newSession({ seats: [host] });
        await store.commit({
          sessions: [
            entry(session, [host]),
            entry({ ...session, seats: [host, visitor] }, [visitor]),
            entry({ ...session, everPaired: true }, []),
          ],
          ended: [{ sessionId: session.id, seat: visitor, reason: 'left', at: NOW + 1 }],
          messages: [],
          receipts: [],
        });
        const stored = await loaded(store, session.id);
        expect(stored.document).toEqual(afterRestart({ ...session, everPaired: true }, NOW));
      });

      it('loads open sessions, and closed ones while their code lives; a closed one keeps its seats', async () => {
        const now = NOW + 1000;
        const closed = { reason: 'closed', at: NOW + 500 } as const;
        const withCode = newSession({ closed, code: { value: 'BCD234', expiresAt: now + 1 } });
        const expired = newSession({ closed, code: { value: 'BCD234', expiresAt: now } });
        const codeKilled = newSession({ closed, code: null });
        const opened = newSession({ code: { value: 'BCD234', expiresAt: NOW } });
        await store.commit(creation(withCode, expired, codeKilled, opened));
        const ids = (await store.loadSessions(now)).map(({ document }) => document.id);
        expect(ids.filter((id) => [withCode.id, expired.id, codeKilled.id, opened.id].includes(id)).sort()).toEqual(
          [withCode.id, opened.id].sort(),
        );
        for (const session of [withCode, expired, codeKilled]) {
          expect((await loaded(store, session.id, now)).document).toEqual(afterRestart(session, now));
        }
      });

      it('refuses a session that is stored under another epoch, and all that came with it', async () => {
        const session = newSession({ epoch: 2 });
        await store.commit(creation(session));
        const innocent = newSession();
        const batch = merged(creation(innocent), change({ ...session, epoch: 1, locked: true }, []));
        await expect(store.commit(batch)).rejects.toThrow(DivergenceError);
        expect((await loaded(store, session.id)).document.locked).toBe(false);
        expect(await store.loadSession(innocent.id, NOW)).toBeNull();
      });

      it('refuses what a rule of the database forbids, whole, and goes on', async () => {
        const innocent = newSession();
        for (const wrong of [newSession({ capacity: 1 }), newSession({ id: 'no-uuid' }), newSession({ epoch: 0 })]) {
          await expect(store.commit(creation(innocent, wrong))).rejects.toThrow(RefusedCommitError);
        }
        expect(await store.loadSession(innocent.id, NOW)).toBeNull();
        await store.commit(creation(innocent));
        await loaded(store, innocent.id);
      });

      it('knows nothing of a session that was never stored', async () => {
        for (const id of [randomUUID(), 'no-uuid', '']) {
          expect(await store.loadSession(id, NOW)).toBeNull();
          expect(await store.readMessages(id, { afterSeq: 0, limit: 10 })).toEqual([]);
          expect(await store.findSend(id, randomUUID(), 'message-1')).toBeNull();
          expect(await store.recentSends(id, 0, 10)).toEqual([]);
        }
      });
    });

    describe('messages', () => {
      it('gives bodies back as they were sent', async () => {
        const { session, host } = await stored(store);
        const bodies = [
          'null',
          '""',
          '0',
          'false',
          '-0.5e-3',
          '[]',
          '{}',
          '{"b":1,"a":2,"10":3,"9":4,"":null}',
          '"\u{1f600} \\n \\" \\\\ \u2028 \' $1 ; --"',
          `[${'['.repeat(31)}${']'.repeat(31)}]`,
          JSON.stringify('x'.repeat(49_000)),
        ];
        await store.commit(
          messagesOnly(...bodies.map((bodyJson, index) => newMessage(session, host, index + 1, { bodyJson }))),
        );
        const messages = await store.readMessages(session.id, { afterSeq: 0, limit: 100 });
        expect(messages.map(({ body }) => body)).toEqual(bodies.map((body): unknown => JSON.parse(body)));
        const sends = await store.recentSends(session.id, 0, 100);
        expect(sends.map(({ bodyJson }) => bodyJson)).toEqual([...bodies].reverse());
      });

      it('keeps the text of a number that no JavaScript number can hold', async () => {
        const { session, host } = await stored(store);
        const message = newMessage(session, host, 1, { bodyJson: '{"n":123456789012345678901234567890.10}' });
        await store.commit(messagesOnly(message));
        expect((await store.findSend(session.id, host.id, message.id))?.bodyJson).toBe(message.bodyJson);
      });

      it('numbers, dates and names the sender; a message of the server comes from "server"', async () => {
        const { session, host } = await stored(store);
        const first = newMessage(session, host, 1, { type: 'app.move:1', sentAt: NOW + 321 });
        const second = { ...newMessage(session, host, 2), participantId: null };
        await store.commit(messagesOnly(first, second));
        expect(await store.readMessages(session.id, { afterSeq: 0, limit: 2 })).toEqual([
          {
            id: first.id,
            seq: 1,
            sessionId: session.id,
            from: host.id,
            type: 'app.move:1',
            body: 'hello',
            sentAt: new Date(NOW + 321).toISOString(),
          },
          expect.objectContaining({ id: second.id, seq: 2, from: 'server' }),
        ]);
        const after = await loaded(store, session.id);
        expect(after).toMatchObject({ lastSeq: 2, lastActivityAt: NOW + 321 });
        expect(await store.recentSends(session.id, 0, 10)).toHaveLength(1);
      });

      it('pages from both ends', async () => {
        const { session, host } = await stored(store);
        await store.commit(messagesOnly(...count(10).map((seq) => newMessage(session, host, seq))));
        const seqs = async (range: Parameters<DurableStore['readMessages']>[1]) =>
          (await store.readMessages(session.id, range)).map(({ seq }) => seq);
        expect(await seqs({ afterSeq: 3, limit: 3 })).toEqual([4, 5, 6]);
        expect(await seqs({ afterSeq: 8, limit: 3 })).toEqual([9, 10]);
        expect(await seqs({ afterSeq: 10, limit: 3 })).toEqual([]);
        expect(await seqs({ beforeSeq: 5, limit: 3 })).toEqual([2, 3, 4]);
        expect(await seqs({ beforeSeq: 3, limit: 3 })).toEqual([1, 2]);
        expect(await seqs({ beforeSeq: 1, limit: 3 })).toEqual([]);
        expect(await seqs({ beforeSeq: Number.MAX_SAFE_INTEGER, limit: 1 })).toEqual([10]);
      });

      it('finds a send by its participant and id, the newest when the id was used again', async () => {
        const { session, host, guest } = await stored(store);
        const first = newMessage(session, host, 1);
        const second = newMessage(session, guest, 2, { id: first.id, sentAt: NOW + 5 });
        const third = newMessage(session, host, 3, { id: first.id, type: 'other' });
        await store.commit(messagesOnly(first, second, third));
        expect(await store.findSend(session.id, guest.id, first.id)).toEqual({
          participantId: guest.id,
          id: first.id,
          seq: 2,
          sentAt: NOW + 5,
          type: 'text',
          bodyJson: '"hello"',
        });
        expect(await store.findSend(session.id, host.id, first.id)).toMatchObject({ seq: 3, type: 'other' });
        expect(await store.findSend(session.id, host.id, 'never-sent')).toBeNull();
        expect(await store.findSend(session.id, 'no-uuid', first.id)).toBeNull();
      });

      it('lists the recent sends, newest first, from that time on, no more than asked for', async () => {
        const { session, host } = await stored(store);
        const messages = count(6).map((seq) => newMessage(session, host, seq, { sentAt: NOW + seq * 1000 }));
        await store.commit(messagesOnly(...messages));
        const seqs = async (since: number, limit: number) =>
          (await store.recentSends(session.id, since, limit)).map(({ seq }) => seq);
        expect(await seqs(NOW + 4000, 10)).toEqual([6, 5, 4]);
        expect(await seqs(NOW + 4001, 10)).toEqual([6, 5]);
        expect(await seqs(0, 2)).toEqual([6, 5]);
      });

      it('stores a session, its first messages and receipts in one batch', async () => {
        const [host, guest] = [newSeat('host'), newSeat('guest')];
        const session = newSession({ seats: [host, guest] });
        await store.commit({
          ...creation(session),
          messages: [newMessage(session, host, 1), newMessage(session, guest, 2)],
          receipts: [{ sessionId: session.id, seatId: guest.id, delivered: 2, read: 1 }],
        });
        const after = await loaded(store, session.id);
        expect(after.lastSeq).toBe(2);
        expect(after.receipts.get(guest.id)).toEqual({ delivered: 2, read: 1 });
        expect(after.receipts.get(host.id)).toEqual({ delivered: 0, read: 0 });
      });

      it.each<[string, (context: Context) => StoredMessage[]]>([
        ['leave a hole', ({ session, host }) => [newMessage(session, host, 4)]],
        ['have a hole', ({ session, host }) => [newMessage(session, host, 3), newMessage(session, host, 5)]],
        ['come twice', ({ session, host }) => [newMessage(session, host, 3), newMessage(session, host, 3)]],
        ['have another id under a taken seq', ({ second }) => [{ ...second, id: 'another-id' }]],
        ['have another body under a taken seq', ({ second }) => [{ ...second, bodyJson: '"other"' }]],
        ['have another type under a taken seq', ({ second }) => [{ ...second, type: 'other' }]],
        ['have another sender under a taken seq', ({ second, guest }) => [{ ...second, participantId: guest.id }]],
        ['have no sender under a taken seq', ({ second }) => [{ ...second, participantId: null }]],
        ['have another time under a taken seq', ({ second }) => [{ ...second, sentAt: second.sentAt + 1 }]],
        ['are of an older epoch', ({ session, host }) => [newMessage({ ...session, epoch: 1 }, host, 3)]],
        ['are of a later epoch', ({ session, host }) => [newMessage({ ...session, epoch: 3 }, host, 3)]],
        ['are of an unknown session', ({ host }) => [newMessage(newSession(), host, 1)]],
      ])('refuses messages that %s, with all that came with them', async (_name, wrong) => {
        const context = await contextOf(store);
        const innocent = await stored(store);
        const batch: CommitBatch = {
          ...change({ ...innocent.session, locked: true }, []),
          messages: [newMessage(innocent.session, innocent.host, 1), ...wrong(context)],
          receipts: [{ sessionId: innocent.session.id, seatId: innocent.host.id, delivered: 1, read: 1 }],
        };
        const before = await loaded(store, innocent.session.id);
        await expect(store.commit(batch)).rejects.toThrow(DivergenceError);
        expect(await loaded(store, innocent.session.id)).toEqual(before);
        expect(await store.readMessages(innocent.session.id, { afterSeq: 0, limit: 10 })).toEqual([]);
        expect((await loaded(store, context.session.id)).lastSeq).toBe(2);
        expect(await store.readMessages(context.session.id, { afterSeq: 0, limit: 10 })).toHaveLength(2);
      });

      it('lets exactly one of two writers have a seq', async () => {
        const { session, host, guest } = await stored(store);
        const results = await Promise.allSettled(
          [host, guest].map((seat) => store.commit(messagesOnly(newMessage(session, seat, 1)))),
        );
        expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
        const rejected = results.find((result) => result.status === 'rejected');
        expect(rejected?.reason).toBeInstanceOf(DivergenceError);
        expect(await store.readMessages(session.id, { afterSeq: 0, limit: 10 })).toHaveLength(1);
      });

      it('lets no two batches wait for each other, whatever sessions they share', async () => {
        const contexts = await Promise.all(count(6).map(() => stored(store)));
        const turn = (by: number) => [...contexts.slice(by), ...contexts.slice(0, by)];
        for (const seq of count(5)) {
          // Each begins elsewhere in the circle, writes some as messages, and others as changed sessions.
          const batches = count(6).map((by): CommitBatch => {
            const [first, second, third] = turn(by - 1);
            if (first === undefined || second === undefined || third === undefined) throw new Error('Too few sessions');
            return {
              ...change({ ...third.session, locked: seq % 2 === 0 }, []),
              messages: [newMessage(first.session, first.host, seq), newMessage(second.session, second.host, seq)],
              receipts: [{ sessionId: third.session.id, seatId: third.host.id, delivered: seq, read: 0 }],
            };
          });
          const results = await Promise.allSettled(batches.map((batch) => store.commit(batch)));
          const refusals = results.flatMap((result) =>
            result.status === 'rejected' ? [result.reason as unknown] : [],
          );
          // Of two neighbours that want the same seq one wins, and is refused by nobody for another reason.
          expect(refusals.length).toBeLessThan(results.length);
          for (const refusal of refusals) expect(refusal).toBeInstanceOf(DivergenceError);
          for (const { session, host } of contexts) {
            if ((await loaded(store, session.id)).lastSeq === seq) continue;
            await store.commit(messagesOnly(newMessage(session, host, seq)));
          }
        }
      });

      it('takes many batches at once', async () => {
        const sessions = await Promise.all(count(20).map(() => stored(store)));
        await Promise.all(
          sessions.map(async ({ session, host }) => {
            for (const seq of count(5)) await store.commit(messagesOnly(newMessage(session, host, seq, LONG)));
          }),
        );
        for (const { session } of sessions) {
          const messages = await store.readMessages(session.id, { afterSeq: 0, limit: 10 });
          expect(messages.map(({ seq }) => seq)).toEqual(count(5));
        }
      });
    });

    it('changes nothing when a write is repeated', async () => {
      const [host, guest, left] = [newSeat('host'), newSeat('guest'), newSeat('guest')];
      const session = newSession({ seats: [host, guest] });
      const batch: CommitBatch = {
        ...creation(session),
        ended: [{ sessionId: session.id, seat: left, reason: 'timeout', at: NOW }],
        messages: count(3).map((seq) => newMessage(session, host, seq)),
        receipts: [{ sessionId: session.id, seatId: guest.id, delivered: 3, read: 2 }],
      };
      await store.commit(batch);
      const once = await loaded(store, session.id);
      const messages = await store.readMessages(session.id, { afterSeq: 0, limit: 10 });
      await store.commit(batch);
      expect(await loaded(store, session.id)).toEqual(once);
      // A part that is stored, and what follows it.
      await store.commit(messagesOnly(...batch.messages.slice(1), newMessage(session, guest, 4)));
      expect((await store.readMessages(session.id, { afterSeq: 0, limit: 10 })).slice(0, 3)).toEqual(messages);
      expect((await loaded(store, session.id)).lastSeq).toBe(4);
    });

    it('never takes a receipt back, and what was read was delivered', async () => {
      const { session, host } = await stored(store);
      const receipts: [number, number][] = [
        [5, 2],
        [3, 1],
        [0, 7],
      ];
      const seen = [];
      for (const [delivered, read] of receipts) {
        await store.commit({ ...NOTHING, receipts: [{ sessionId: session.id, seatId: host.id, delivered, read }] });
        seen.push((await loaded(store, session.id)).receipts.get(host.id));
      }
      expect(seen).toEqual([
        { delivered: 5, read: 2 },
        { delivered: 5, read: 2 },
        { delivered: 7, read: 7 },
      ]);
    });

    it('stores nothing of a batch with nothing in it', async () => {
      await store.commit(NOTHING);
      await store.ping();
    });

    it('works again by itself after its connections broke', async () => {
      if (opened.breakConnections === undefined) return;
      const { session, host } = await stored(store);
      await store.commit(messagesOnly(newMessage(session, host, 1)));
      await opened.breakConnections();
      const failures: unknown[] = [];
      const message = newMessage(session, host, 2);
      // A write whose outcome is unknown is repeated until it is known: it must not fail for good, or count twice.
      await eventually(() =>
        store.commit(messagesOnly(message)).catch((error: unknown) => {
          failures.push(error);
          throw error;
        }),
      );
      for (const failure of failures) {
        expect(failure).toBeInstanceOf(TandemError);
        expect(failure).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
      }
      expect(await store.readMessages(session.id, { afterSeq: 0, limit: 10 })).toHaveLength(2);
    });
  });
}

const LONG = { bodyJson: JSON.stringify('x'.repeat(16_000)) };

interface Context {
  readonly session: SessionDocument;
  readonly host: Seat;
  readonly guest: Seat;
  readonly second: StoredMessage;
}

/** A stored session of epoch 2 with two messages. */
async function contextOf(store: DurableStore): Promise<Context> {
  const [host, guest] = [newSeat('host'), newSeat('guest')];
  const session = newSession({ epoch: 2, seats: [host, guest] });
  const second = newMessage(session, host, 2);
  await store.commit({ ...creation(session), messages: [newMessage(session, host, 1), second] });
  return { session, host, guest, second };
}

async function stored(store: DurableStore): Promise<{ session: SessionDocument; host: Seat; guest: Seat }> {
  const [host, guest] = [newSeat('host'), newSeat('guest')];
  const session = newSession({ seats: [host, guest] });
  await store.commit(creation(session));
  return { session, host, guest };
}

async function loaded(store: DurableStore, sessionId: string, now: number = NOW): Promise<StoredSession> {
  const session = await store.loadSession(sessionId, now);
  if (session === null) throw new Error(`Session ${sessionId} is not stored`);
  return session;
}

async function openSession(store: DurableStore, sessionId: string, now: number): Promise<StoredSession | undefined> {
  return (await store.loadSessions(now)).find(({ document }) => document.id === sessionId);
}

/** What the document looks like when nobody is connected any more. */
function afterRestart(session: SessionDocument, now: number): SessionDocument {
  const seats = session.seats.map((seat): Seat => ({
    ...seat,
    presence: 'away',
    awaySince: now,
    generation: 0,
    instance: null,
  }));
  return { ...session, seats };
}

function change(session: SessionDocument, changed: readonly Seat[]): CommitBatch {
  return { ...NOTHING, sessions: [entry(session, changed)] };
}

function merged(...batches: CommitBatch[]): CommitBatch {
  return { ...NOTHING, sessions: batches.flatMap(({ sessions }) => sessions) };
}

function seatIds({ document }: StoredSession): string[] {
  return document.seats.map((seat) => seat.id);
}

function count(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1);
}
