import { afterEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import type { AppendRequest } from '../../sessions/ports.ts';
import {
  closeByHost,
  dropConnection,
  joinSession,
  lockSession,
  openSession,
  resumeSeat,
} from '../../sessions/session.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import { describeSessionState } from '../state.conformance.ts';
import type { HarnessOptions } from '../state.conformance.ts';
import { openMemoryHarness } from './memory-harness.conformance.ts';
import type { MemoryHarness } from './memory-harness.conformance.ts';

describeSessionState('the in-process state', openMemoryHarness);

describe('the in-process state', () => {
  const minute = 60_000;
  const options: HarnessOptions = {
    timings: {
      graceMs: 10 * minute,
      idleWarningMs: 5 * minute,
      idleTimeoutMs: 30 * minute,
      ttlMs: 1440 * minute,
    },
    retryHorizonMs: 60 * minute,
    hotMessages: 500,
  };
  const opened: MemoryHarness[] = [];
  let serial = 0;

  afterEach(async () => {
    for (const harness of opened.splice(0)) {
      harness.recorder.failLoads = false;
      harness.releaseCommits();
      await harness.close();
    }
  });

  async function opening(maxBacklog?: number): Promise<MemoryHarness> {
    const harness = await openMemoryHarness(options, maxBacklog);
    opened.push(harness);
    return harness;
  }

  async function createRoom(h: MemoryHarness): Promise<{ id: string; code: string; host: SeatHolder }> {
    serial += 1;
    const [id, seatId, code] = [`session ${serial}`, `seat ${serial}`, `CODE${serial}`];
    const expiresAt = h.now() + 15 * minute;
    const document = openSession(
      {
        id,
        now: h.now(),
        capacity: 2,
        approval: false,
        shareHistory: false,
        metadata: {},
        code: { value: code, expiresAt },
      },
      { id: seatId, name: null, userId: null, tokenHash: seatId, keyHash: null, instance: 'here' },
    );
    const created = await h.state.create(document, () => undefined);
    expect(created.kind).toBe('created');
    return { id, code, host: { seatId, generation: 1 } };
  }

  function message({ id: sessionId, host: sender }: { id: string; host: SeatHolder }): AppendRequest {
    serial += 1;
    const bodyJson = JSON.stringify(serial);
    return {
      ...{ sessionId, sender, id: `message-${serial}`, type: 'text', body: serial, bodyJson },
      ...{ fingerprint: fingerprintOf('text', bodyJson), limits: [] },
    };
  }

  it('commits what arrives in one turn as one batch, across sessions', async () => {
    const h = await opening();
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const before = h.recorder.batches.length;
    const calls: Promise<unknown>[] = rooms.flatMap((room) =>
      Array.from({ length: 20 }, () => h.state.append(message(room))),
    );
    calls.push(...rooms.map(({ id, host }) => h.state.change(id, lockSession(host, true))));
    await Promise.all(calls);
    const batches = h.recorder.batches.slice(before);
    expect(batches).toHaveLength(1);
    expect(batches[0]?.messages).toHaveLength(60);
    expect(batches[0]?.sessions).toHaveLength(3);
  });

  it('gathers what arrives during a commit into the next', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const before = h.recorder.batches.length;
    h.holdCommits();
    const calls = [h.state.append(message(room))];
    await h.commitHeld();
    for (let index = 0; index < 30; index += 1) {
      calls.push(h.state.append(message(room)));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    h.releaseCommits();
    await Promise.all(calls);
    expect(h.recorder.batches.slice(before).map(({ messages }) => messages.length)).toEqual([1, 30]);
    expect(h.deliveries.map((one) => one.message.seq)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
  });

  it('says durable of exactly what is visible', async () => {
    const h = await opening();
    const room = await createRoom(h);
    expect(await h.state.append(message(room))).toMatchObject({ seq: 1, durableSeq: 1 });
    expect(await h.state.read(room.id)).toMatchObject({ lastSeq: 1, durableSeq: 1 });
    expect(await h.state.readLog(room.id, { afterSeq: 0, limit: 1 })).toMatchObject({ lastSeq: 1, durableSeq: 1 });
    expect(await h.state.takeMovedHeads()).toMatchObject([{ lastSeq: 1, durableSeq: 1 }]);
  });

  it('commits nothing for a lost connection, a repetition, a refusal and a look', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const request = message(room);
    await h.state.append(request);
    const before = h.recorder.batches.length;
    expect(await h.state.append(request)).toMatchObject({ kind: 'duplicate' });
    expect(await h.state.append({ ...request, fingerprint: 'other' })).toEqual({ kind: 'id_reused' });
    await h.state.recordReceipt(room.id, room.host, { read: 5 });
    await h.state.change(room.id, lockSession(room.host, false));
    await h.state.read(room.id);
    await h.state.change(room.id, dropConnection(room.host));
    expect(h.recorder.batches).toHaveLength(before);
  });

  it('does not wait for a commit with a change that a restart forgets', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.holdCommits();
    const waiting = h.state.append(message(other));
    await h.commitHeld();
    const dropped = await h.state.change(room.id, dropConnection(room.host));
    expect(dropped).toMatchObject({ outcome: { kind: 'away' } });
    h.releaseCommits();
    await waiting;
  });

  it('drops a session whose commit failed, and reads it again', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.failNextCommit('unknown_lost');
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(h.faults).toHaveLength(1);
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(await h.state.append(message(other))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(h.recorder.loads).toEqual([room.id]);
  });

  it('refuses to touch a session that it cannot read again, until it can', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.failNextCommit('unknown_stored');
    h.recorder.failLoads = true;
    const request = message(room);
    await expect(h.state.append(request)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(h.state.append(request)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const close = closeByHost(room.host);
    await expect(h.state.change(room.id, close)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await h.state.append(message(other))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(h.deliveries.filter((one) => one.message.sessionId === room.id).map((one) => one.message.seq)).toEqual([]);
    h.recorder.failLoads = false;
    expect(await h.state.append(request)).toMatchObject({ kind: 'duplicate', seq: 1 });
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 2 });
  });

  it('lets the deadlines of a session go on that nobody asked for since its commit failed', async () => {
    const h = await opening();
    const room = await createRoom(h);
    h.failNextCommit('unknown_lost');
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    h.advance(options.timings.idleWarningMs);
    expect(await h.state.takeDue(10)).toMatchObject([{ sessionId: room.id, deadline: { kind: 'warn' } }]);
  });

  it('counts no limit for a message whose commit failed', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const info = { name: 'messages_user', scope: 'user', points: 1, durationSeconds: 60 } as const;
    const limits = [{ info, bucket: 'somebody', blockMs: 0 }];
    h.failNextCommit('refused');
    await expect(h.state.append({ ...message(room), limits })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await h.state.append({ ...message(room), limits })).toMatchObject({ kind: 'appended', seq: 1 });
    expect(await h.state.append({ ...message(room), limits })).toMatchObject({ kind: 'rate_limited' });
  });

  it('knows after a restart also those ids that it does not read back at once', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const requests = Array.from({ length: 6000 }, () => message(room));
    await repeatInGroups(h, requests, 1000);
    await h.restart();
    const sender = await resumeHost(h, room);
    // The oldest first: what is read back at once does not hold it, and it must be looked for all the same.
    for (const index of [0, 500, 5999, 1000]) {
      const request = requests[index] ?? message(room);
      expect(await h.state.append({ ...request, sender })).toMatchObject({ kind: 'duplicate', seq: index + 1 });
    }
    const fresh = { ...message(room), sender };
    expect(await h.state.append(fresh)).toMatchObject({ kind: 'appended', seq: 6001 });
  });

  it('keeps a refusal that concerns one session from the others in its batch', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    // The batch is refused, then the first session's part of it is refused when it is tried alone.
    h.failNextCommit('refused');
    h.failNextCommit('refused');
    const answers = await Promise.allSettled([h.state.append(message(room)), h.state.append(message(other))]);
    expect(answers[0]).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    expect(answers[1]).toMatchObject({ status: 'fulfilled', value: { kind: 'appended', seq: 1 } });
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 1 });
  });

  it('answers INTERNAL when the store holds something else, and takes the store at its word', async () => {
    const h = await opening();
    const room = await createRoom(h);
    // Somebody else wrote seq 1: the database wins.
    const { sessionId, type, bodyJson } = message(room);
    const foreign = { sessionId, epoch: 1, seq: 1, id: 'foreign-message', participantId: null, type, bodyJson };
    await h.recorder.commit({ sessions: [], ended: [], messages: [{ ...foreign, sentAt: h.now() }], receipts: [] });
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(h.recorder.divergences.splice(0)).toHaveLength(1);
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 2 });
  });

  it('refuses what exceeds the backlog, takes it back, and loses nothing that it took', async () => {
    const h = await opening(50);
    const room = await createRoom(h);
    h.holdCommits();
    const first = h.state.append(message(room));
    await h.commitHeld();
    const requests = Array.from({ length: 80 }, () => message(room));
    const answers = Promise.allSettled(requests.map((request) => h.state.append(request)));
    expect(h.state.counts().backlog).toBeLessThanOrEqual(51);
    h.releaseCommits();
    expect(await first).toMatchObject({ kind: 'appended', seq: 1 });
    const settled = await answers;
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(30);
    expect(refused.length).toBeLessThanOrEqual(31);
    for (const answer of refused) expect(answer).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    const repeated = await repeatInGroups(h, requests, 40);
    expect(repeated).toEqual(new Set(Array.from({ length: 80 }, (_, index) => index + 2)));
    expect(h.deliveries.map((one) => one.message.seq)).toEqual(Array.from({ length: 81 }, (_, index) => index + 1));
  });

  it('asks the store once for the ids of a closed session, however many fresh ones come', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const request = message(room);
    await h.state.append(request);
    await h.state.change(room.id, closeByHost(room.host));
    const { lookups } = h.recorder;
    for (let index = 0; index < 20; index += 1) {
      expect(await h.state.append(message(room))).toEqual({ kind: 'session_closed' });
    }
    expect(await h.state.append(request)).toMatchObject({ kind: 'duplicate', seq: 1 });
    expect(lookups).toEqual(['recentSends']);
  });

  it('reads ids back once for all sends that wait for them, which keep their places', async () => {
    const h = await opening();
    const room = await createRoom(h);
    await h.restart();
    const sender = await resumeHost(h, room);
    let answer = (): void => undefined;
    h.recorder.nextRecall = new Promise<void>((resolve) => (answer = resolve));
    const requests = Array.from({ length: 5 }, () => ({ ...message(room), sender }));
    const answers: Promise<unknown>[] = [];
    for (const request of requests) {
      answers.push(h.state.append(request));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    answer();
    expect(await Promise.all(answers)).toMatchObject([1, 2, 3, 4, 5].map((seq) => ({ kind: 'appended', seq })));
    expect(h.recorder.lookups).toEqual(['recentSends']);
  });

  it('reads ids back again when that failed, before it takes an id for new', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const request = message(room);
    await h.state.append(request);
    await h.restart();
    const sender = await resumeHost(h, room);
    h.recorder.nextRecall = Promise.reject(new TandemError('UNAVAILABLE', 'the database is away'));
    const calls = [h.state.append({ ...message(room), sender }), h.state.append({ ...request, sender })];
    for (const answer of await Promise.allSettled(calls)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    }
    expect(await h.state.append({ ...request, sender })).toMatchObject({ kind: 'duplicate', seq: 1 });
    expect(h.recorder.lookups).toEqual(['recentSends', 'recentSends']);
  });

  it('says of each message in the log how many bytes it has as JSON', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const bodies = [1, 'h\u00e9 \u{1f600} "quoted"', { a: [1, { b: null }], 'k"': '' }, ''];
    for (const body of bodies) {
      await h.state.append({ ...message(room), body, bodyJson: JSON.stringify(body) });
    }
    const page = await h.state.readLog(room.id, { afterSeq: 1, limit: 10 });
    expect(page?.messages).toHaveLength(3);
    expect(page?.messageBytes).toEqual(page?.messages.map((one) => Buffer.byteLength(JSON.stringify(one))));
  });

  it('goes on when a listener or an onVisible throws', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const guest = { id: 'late', name: null, userId: null, tokenHash: 'late', keyHash: null, instance: 'here' };
    const thrown = new Error('a fault of the caller');
    const join = joinSession(room.code, guest, options.retryHorizonMs);
    const joined = h.state.change(room.id, join, () => {
      throw thrown;
    });
    // Whether the caller is told is free; that it is answered, and that the session goes on, is not.
    const sent = h.state.append(message(room));
    await Promise.allSettled([joined]);
    expect(await sent).toMatchObject({ kind: 'appended', seq: 1 });
    expect((await h.state.read(room.id))?.document.seats).toHaveLength(2);
  });

  async function resumeHost(h: MemoryHarness, room: { id: string; host: SeatHolder }): Promise<SeatHolder> {
    const { seatId } = room.host;
    const request = { seatId, tokenHash: seatId, userId: null, instance: 'here' };
    const resumed = await h.state.change(room.id, resumeSeat(request, minute));
    if (resumed.kind !== 'decided' || resumed.outcome.kind !== 'resumed') throw new Error('expected a resume');
    return { seatId, generation: resumed.outcome.seat.generation };
  }

  async function repeatInGroups(h: MemoryHarness, requests: AppendRequest[], size: number): Promise<Set<number>> {
    const seqs = new Set<number>();
    for (let from = 0; from < requests.length; from += size) {
      const group = requests.slice(from, from + size);
      for (const answer of await Promise.all(group.map((request) => h.state.append(request)))) {
        if ('seq' in answer) seqs.add(answer.seq);
      }
    }
    return seqs;
  }
});
