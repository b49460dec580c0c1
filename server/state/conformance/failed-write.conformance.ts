import { expect } from '@jest/globals';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import type { AppendRequest, AppendResult } from '../../sessions/ports.ts';
import { closeByHost, findSeat, kickParticipant, leaveSession } from '../../sessions/session.ts';
import type { CommitFailure, Suite } from './suite.conformance.ts';
import { expectKind, expectUnknownOutcome, failure, settle } from './outcome.conformance.ts';
import { createRoom, ignore, join, joinRule, newDocument, pair, read, tryJoin } from './room.conformance.ts';
import {
  deliveredSeqs,
  findSend,
  freshId,
  message,
  range,
  readLog,
  roomWithMessages,
  sendOk,
  seqsOf,
} from './message.conformance.ts';

export function failing({ testWith }: Suite): void {
  testWith(['refused'], 'and was refused is as if it had never been tried', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    await h.state.takeMovedHeads();
    const before = await read(h, room.id);
    h.failNextCommit('refused');
    const request = message(room, guest);
    const answers = await Promise.all([1, 2, 3].map(() => failure(h.state.append(request))));
    for (const error of answers) expectUnknownOutcome(error);
    const after = await read(h, room.id);
    expect(after).toMatchObject({ lastSeq: 2, document: before.document });
    expect(await h.state.takeMovedHeads()).toEqual([]);
    expectKind(await findSend(h, request), 'unknown');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    // The connections are still there, so their seats are still theirs; the seq is free for the next message.
    expect(await sendOk(h, room, room.host)).toBe(3);
    expect(expectKind(await h.state.append(request), 'appended').seq).toBe(4);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3, 4]);
  });

  testWith(['unknown_stored'], 'but was stored is recognised by its id, and is delivered in its place', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    await h.state.takeMovedHeads();
    h.failNextCommit('unknown_stored');
    const request = message(room, guest);
    expectUnknownOutcome(await failure(h.state.append(request)));
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(3);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ sessionId: room.id, lastSeq: 3 }]);
    expect((await read(h, room.id)).lastSeq).toBe(3);
    expect(await sendOk(h, room, room.host)).toBe(4);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3, 4]);
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 4));
    // The sender was told that its message may be lost: it may hear of it like everybody else.
    const [late] = h.deliveries.filter((one) => one.message.sessionId === room.id && one.message.seq === 3);
    expect(late?.message).toMatchObject({ id: request.id, body: request.body, type: request.type, from: guest.seatId });
    expect(late?.sender.seatId).toBe(guest.seatId);
    expect(late?.sender.generation).not.toBe(guest.generation);
  });

  testWith(['unknown_stored'], 'but was stored delivers a whole burst once and in order', async (h) => {
    const { room, guest } = await roomWithMessages(h, 1);
    h.failNextCommit('unknown_stored');
    const requests = range(1, 40).map((index) => message(room, index % 2 === 0 ? guest : room.host));
    const answers = await Promise.all(requests.map((request) => settle(h.state.append(request))));
    for (const answer of answers) if (answer.status === 'rejected') expectUnknownOutcome(answer.reason);
    await Promise.all(requests.map((request) => h.state.append(request)));
    expect(deliveredSeqs(h, room.id)).toEqual(range(1, 41));
  });

  testWith(['unknown_stored'], 'but was stored is a kick that is told, as a kick', async (h) => {
    const { room, guest } = await roomWithMessages(h, 1);
    h.failNextCommit('unknown_stored');
    expectUnknownOutcome(await failure(h.state.change(room.id, kickParticipant(room.host, guest.seatId))));
    expect(h.recoveries).toEqual([]);
    expect((await read(h, room.id)).document.seats).toHaveLength(1);
    expect(h.recoveries).toMatchObject([
      {
        before: { document: { id: room.id, seats: [{ id: room.host.seatId }, { id: guest.seatId }] } },
        after: { document: { id: room.id, code: null, seats: [{ id: room.host.seatId, presence: 'online' }] } },
        ended: [{ seat: { id: guest.seatId }, reason: 'kicked' }],
      },
    ]);
    // Once: whoever comes later finds nothing new.
    await read(h, room.id);
    expect(h.recoveries).toHaveLength(1);
  });

  testWith(['unknown_stored'], 'but was stored is a leave that is told, as a leave, with the new host', async (h) => {
    const { room, guest } = await roomWithMessages(h, 1);
    h.failNextCommit('unknown_stored');
    expectUnknownOutcome(await failure(h.state.change(room.id, leaveSession(room.host))));
    await read(h, room.id);
    expect(h.recoveries).toMatchObject([
      {
        after: { document: { seats: [{ id: guest.seatId, role: 'host', presence: 'online' }], closed: null } },
        ended: [{ seat: { id: room.host.seatId }, reason: 'left' }],
      },
    ]);
    expect(findSeat((await read(h, room.id)).document, guest.seatId)?.generation).toBe(guest.generation);
  });

  testWith(['unknown_stored'], 'but was stored is a close that is told last', async (h) => {
    const { room } = await roomWithMessages(h, 1);
    h.failNextCommit('unknown_stored');
    const sent = settle(h.state.append(message(room, room.host)));
    const closed = settle(h.state.change(room.id, closeByHost(room.host)));
    for (const answer of [await sent, await closed]) expect(answer.status).toBe('rejected');
    await read(h, room.id);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    const last = h.recoveries.at(-1);
    expect(last?.before.document.closed).toBeNull();
    expect(last?.after.document.closed).toEqual({ reason: 'closed', at: h.now() });
    expect(h.recoveries.flatMap(({ ended }) => ended)).toEqual([]);
    expect(h.recoveries.filter(({ after }) => after.document.closed !== null)).toHaveLength(1);
  });

  testWith(['refused'], 'and was refused recovers to what was there before', async (h) => {
    const { room, guest } = await roomWithMessages(h, 1);
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.change(room.id, kickParticipant(room.host, guest.seatId))));
    await read(h, room.id);
    for (const { before, after, ended } of h.recoveries) {
      expect(after).toEqual(before);
      expect(ended).toEqual([]);
    }
  });

  testWith(['unknown_lost'], 'and was lost is stored once by its repetition', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    h.failNextCommit('unknown_lost');
    const request = message(room, guest);
    expectUnknownOutcome(await failure(h.state.append(request)));
    const answers = await Promise.all(range(1, 10).map(() => h.state.append(request)));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    for (const answer of answers) expect(answer).toMatchObject({ seq: 3 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3]);
  });

  testWith(['refused'], 'is a change that nobody sees and that may be tried again', async (h) => {
    const room = await createRoom(h);
    const before = await read(h, room.id);
    let seen = 0;
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.change(room.id, joinRule(room), () => (seen += 1))));
    expect(seen).toBe(0);
    expect((await read(h, room.id)).document).toEqual(before.document);
    await join(h, room);
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.change(room.id, closeByHost(room.host))));
    expect(await sendOk(h, room, room.host)).toBe(1);
  });

  testWith(['refused'], 'is a creation whose code and key are free again', async (h) => {
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.create(document, ignore)));
    expect(await h.state.read(document.id)).toBeNull();
    expect(await h.state.findByCode(document.code?.value ?? '')).toBeNull();
    expect(await h.state.findByKey(keyHash)).toBeNull();
    expect(h.state.counts().sessions).toEqual({ waiting: 0, paired: 0 });
    const again = newDocument(h, { keyHash, code: document.code?.value ?? '' });
    expectKind(await h.state.create(again, ignore), 'created');
    expect(await h.state.findByKey(keyHash)).toBe(again.id);
  });

  testWith(['unknown_stored'], 'but was stored is a creation that its key finds', async (h) => {
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    h.failNextCommit('unknown_stored');
    expectUnknownOutcome(await failure(h.state.create(document, ignore)));
    const again = await h.state.create(newDocument(h, { keyHash }), ignore);
    expect(again).toEqual({ kind: 'key_taken', sessionId: document.id });
    expect((await read(h, document.id)).document.seats).toHaveLength(1);
    expect(await h.state.findByCode(document.code?.value ?? '')).toBe(document.id);
  });

  testWith(['unknown_stored', 'unknown_lost'], 'is a join whose repetition takes one seat', async (h) => {
    for (const lost of [true, false]) {
      const room = await createRoom(h);
      const keyHash = freshId();
      h.failNextCommit(lost ? 'unknown_lost' : 'unknown_stored');
      expectUnknownOutcome(await failure(tryJoin(h, room, keyHash)));
      const { seat } = expectKind(await tryJoin(h, room, keyHash), lost ? 'joined' : 'retaken');
      expect((await read(h, room.id)).document.seats.map(({ id }) => id)).toEqual([room.host.seatId, seat.id]);
      expect(await sendOk(h, room, { seatId: seat.id, generation: seat.generation })).toBe(1);
    }
  });

  testWith(['hold', 'refused'], 'leaves no answer behind that followed from it', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    h.failNextCommit('refused');
    const joins = [settle(tryJoin(h, room)), settle(tryJoin(h, room))];
    await h.commitHeld();
    joins.push(settle(tryJoin(h, room)));
    h.releaseCommits();
    // Whoever was told that the session is full was told so by a seat that is stored.
    const outcomes = (await Promise.all(joins)).map((result) =>
      result.status === 'fulfilled' ? result.value.kind : 'failed',
    );
    const { seats } = (await read(h, room.id)).document;
    expect(outcomes[0]).toBe('failed');
    expect(outcomes.filter((kind) => kind === 'joined')).toHaveLength(seats.length - 1);
    if (seats.length === 1) expect(outcomes).not.toContain('session_full');
  });

  testWith(['hold', 'refused'], 'takes no message with it that was queued behind it', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    h.failNextCommit('refused');
    const requests = [message(room, room.host), message(room, guest), message(room, room.host)];
    const [first, ...behind] = requests;
    const answers = first === undefined ? [] : [settle(h.state.append(first))];
    await h.commitHeld();
    for (const request of behind) answers.push(settle(h.state.append(request)));
    h.releaseCommits();
    for (const answer of await Promise.all(answers)) {
      if (answer.status === 'fulfilled') expectKind(answer.value, 'appended');
      else expectUnknownOutcome(answer.reason);
    }
    const repeated = await Promise.all(requests.map((request) => h.state.append(request)));
    const seqs = repeated.map((answer) => ('seq' in answer ? answer.seq : 0));
    expect([...seqs].sort((a, b) => a - b)).toEqual([1, 2, 3]);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3]);
  });

  testWith(['hold', 'refused'], 'does no harm to other sessions', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    await sendOk(h, other, other.host);
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.append(message(room, room.host))));
    expect(await sendOk(h, other, other.host)).toBe(2);
    // Both on their way at once: what is answered holds, and what is not may be repeated.
    h.holdCommits();
    h.failNextCommit('refused');
    const requests = [message(room, room.host), message(other, other.host)];
    const answers = requests.map((request) => settle(h.state.append(request)));
    await h.commitHeld();
    h.releaseCommits();
    await Promise.all(answers);
    const seqs = (await Promise.all(requests.map((request) => h.state.append(request)))).map((answer) =>
      'seq' in answer ? answer.seq : answer.kind,
    );
    expect(seqs).toEqual([1, 3]);
    expect(deliveredSeqs(h, other.id)).toEqual([1, 2, 3]);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  const seed = seedOfRun();
  testWith(
    ['refused', 'unknown_stored', 'unknown_lost'],
    `again and again loses, doubles and reorders nothing that was acknowledged (TEST_SEED=${seed})`,
    async (h) => {
      const random = new Random(seed);
      const pairs = [await pair(h), await pair(h), await pair(h)];
      const senders = pairs.flatMap(({ room, guest }) => [
        { room, sender: room.host },
        { room, sender: guest },
      ]);
      const acknowledged = new Map(pairs.map(({ room }) => [room.id, new Map<string, number>()]));
      let sent = 0;
      const deliver = async ({ sessionId, id }: AppendRequest, call: () => Promise<AppendResult>): Promise<void> => {
        for (let attempt = 0; attempt < 50; attempt += 1) {
          const answer = await settle(call());
          if (answer.status === 'rejected') {
            expectUnknownOutcome(answer.reason);
            continue;
          }
          if (!('seq' in answer.value)) throw new Error(`expected a seq, received ${answer.value.kind}`);
          acknowledged.get(sessionId)?.set(id, answer.value.seq);
          sent += 1;
          return;
        }
        throw new Error(`no answer to ${id} after 50 attempts`);
      };
      for (let round = 0; round < 60; round += 1) {
        const failures: CommitFailure[] = ['refused', 'unknown_stored', 'unknown_lost'];
        const chosen = failures[random.below(4)];
        if (chosen !== undefined) h.failNextCommit(chosen);
        const burst = range(0, random.below(8)).map(() => {
          const { room, sender } = random.pick(senders);
          return message(room, sender);
        });
        await Promise.all(burst.map((request) => deliver(request, () => h.state.append(request))));
      }
      expect(sent).toBeGreaterThan(60);
      for (const { room } of pairs) {
        const { lastSeq } = await read(h, room.id);
        const known = acknowledged.get(room.id) ?? new Map<string, number>();
        expect([...known.values()].sort((a, b) => a - b)).toEqual(range(1, lastSeq));
        const live = deliveredSeqs(h, room.id);
        expect(live).toEqual([...new Set(live)].sort((a, b) => a - b));
        for (const { message: delivered } of h.deliveries.filter((one) => one.message.sessionId === room.id)) {
          expect(known.get(delivered.id)).toBe(delivered.seq);
        }
      }
    },
  );
}
