import { expect } from '@jest/globals';
import { closeByHost, kickParticipant, reopenSession } from '../../sessions/session.ts';
import { CODE_TTL_MS } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind, turn, watch } from './outcome.conformance.ts';
import { createRoom, freshCode, ignore, newDocument, pair, read, tryJoin } from './room.conformance.ts';
import { deliveredSeqs, findSend, freshId, message, readLog, sendOk } from './message.conformance.ts';

export function storing({ testWith }: Suite): void {
  testWith(['hold'], 'a message is visible to nobody', async (h) => {
    const { room, guest } = await pair(h);
    await sendOk(h, room, room.host);
    await h.state.takeMovedHeads();
    h.holdCommits();
    const request = message(room, room.host);
    const answers = [watch(h.state.append(request)), watch(h.state.append(request)), watch(findSend(h, request))];
    await h.commitHeld();
    expect((await read(h, room.id)).lastSeq).toBe(1);
    expect(await readLog(h, room.id, { afterSeq: 1, limit: 10 })).toMatchObject({ lastSeq: 1, messages: [] });
    expect(await h.state.takeMovedHeads()).toEqual([]);
    const receipt = watch(h.state.recordReceipt(room.id, guest, { read: 2 }));
    await turn();
    expect(answers.filter(({ value }) => value !== undefined && value.kind !== 'unknown')).toEqual([]);
    expect(receipt.value?.kind).not.toBe('recorded');
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
    h.releaseCommits();
    const [first, second] = await Promise.all(answers.map(({ settled }) => settled));
    expect(first).toMatchObject({ kind: 'appended', seq: 2 });
    expect(second).toMatchObject({ kind: 'duplicate', seq: 2 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ lastSeq: 2 }]);
  });

  testWith(['hold'], 'a session does not exist', async (h) => {
    h.holdCommits();
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    let seen = 0;
    const created = watch(h.state.create(document, () => (seen += 1)));
    const repeated = watch(h.state.create(newDocument(h, { keyHash }), ignore));
    await h.commitHeld();
    expect(await h.state.read(document.id)).toBeNull();
    expect(await h.state.findByCode(document.code?.value ?? '')).toBeNull();
    expect(h.state.counts().sessions).toEqual({ waiting: 0, paired: 0 });
    await turn();
    expect([seen, created.value, repeated.value]).toEqual([0, undefined, undefined]);
    h.releaseCommits();
    expect(await created.settled).toMatchObject({ kind: 'created' });
    expect(await repeated.settled).toEqual({ kind: 'key_taken', sessionId: document.id });
    expect(seen).toBe(1);
    expect(await h.state.findByCode(document.code?.value ?? '')).toBe(document.id);
  });

  testWith(['hold'], 'a change is visible to nobody, and nothing that follows from it is answered', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const joins = [watch(tryJoin(h, room)), watch(tryJoin(h, room))];
    await h.commitHeld();
    expect((await read(h, room.id)).document.seats).toHaveLength(1);
    expect(h.state.counts()).toMatchObject({ sessions: { waiting: 1, paired: 0 }, participants: { online: 1 } });
    await turn();
    expect(joins.map(({ value }) => value)).toEqual([undefined, undefined]);
    h.releaseCommits();
    const outcomes = await Promise.all(joins.map(({ settled }) => settled));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['joined', 'session_full']);
    expect((await read(h, room.id)).document.seats).toHaveLength(2);
  });

  testWith(['hold'], 'a close refuses nobody', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    const closed = h.state.change(room.id, closeByHost(room.host));
    const sent = watch(h.state.append(message(room, guest)));
    const touched = watch(h.state.touch(room.id, guest));
    const receipt = watch(h.state.recordReceipt(room.id, guest, { read: 0 }));
    await h.commitHeld();
    await turn();
    expect((await read(h, room.id)).document.closed).toBeNull();
    const early = [sent.value, touched.value, receipt.value].map((answer) => answer?.kind);
    expect(early).not.toContain('session_closed');
    h.releaseCommits();
    expectKind(decided(await closed), 'closed');
    expect(await sent.settled).toEqual({ kind: 'session_closed' });
    expect(h.deliveries).toEqual([]);
  });

  testWith(['hold'], 'a kick takes the seat from nobody', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    const kicked = h.state.change(room.id, kickParticipant(room.host, guest.seatId));
    const sent = watch(h.state.append(message(room, guest)));
    await h.commitHeld();
    await turn();
    expect(sent.value).toBeUndefined();
    h.releaseCommits();
    expectKind(decided(await kicked), 'kicked');
    expect(await sent.settled).toEqual({ kind: 'not_seated' });
  });

  testWith(['hold'], 'an id is not yet used', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const id = freshId();
    const sent = h.state.append(message(room, room.host, { id, body: 'one' }));
    const reused = watch(h.state.append(message(room, room.host, { id, body: 'two' })));
    await h.commitHeld();
    await turn();
    expect(reused.value).toBeUndefined();
    h.releaseCommits();
    expectKind(await sent, 'appended');
    expect(await reused.settled).toEqual({ kind: 'id_reused' });
  });

  testWith(['hold'], 'a code that was killed still leads to the session, and a new one does not', async (h) => {
    const room = await createRoom(h);
    const value = freshCode();
    h.holdCommits();
    const rule = reopenSession(room.host, { value, expiresAt: h.now() + CODE_TTL_MS });
    const reopened = h.state.change(room.id, rule);
    await h.commitHeld();
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.findByCode(value)).toBeNull();
    h.releaseCommits();
    expectKind(decided(await reopened), 'reopened');
    expect(await h.state.findByCode(room.code)).toBeNull();
    expect(await h.state.findByCode(value)).toBe(room.id);
  });
}
