import { expect } from '@jest/globals';
import { kickParticipant, lockSession, reopenSession } from '../../sessions/session.ts';
import { CODE_TTL_MS } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind } from './outcome.conformance.ts';
import { close, createRoom, freshCode, ignore, join, newDocument, read } from './room.conformance.ts';
import { range } from './message.conformance.ts';

export function findingByCode({ test }: Suite): void {
  test('lead to the session while it is waiting, full, locked or closed', async (h) => {
    const room = await createRoom(h);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    await join(h, room);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expectKind(decided(await h.state.change(room.id, lockSession(room.host, true))), 'locked');
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    await close(h, room);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect((await read(h, room.id)).document.closed).toEqual({ reason: 'closed', at: h.now() });
  });

  test('lead nowhere when they were never issued, killed or are expired', async (h) => {
    expect(await h.state.findByCode(freshCode())).toBeNull();
    const [kicked, expired] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, kicked);
    expectKind(decided(await h.state.change(kicked.id, kickParticipant(kicked.host, guest.seatId))), 'kicked');
    expect(await h.state.findByCode(kicked.code)).toBeNull();
    h.advance(CODE_TTL_MS - 1);
    expect(await h.state.findByCode(expired.code)).toBe(expired.id);
    h.advance(1);
    expect(await h.state.findByCode(expired.code)).toBeNull();
  });

  test('are replaced by a reopening', async (h) => {
    const room = await createRoom(h);
    const value = freshCode();
    const rule = reopenSession(room.host, { value, expiresAt: h.now() + CODE_TTL_MS });
    expectKind(decided(await h.state.change(room.id, rule)), 'reopened');
    expect(await h.state.findByCode(room.code)).toBeNull();
    expect(await h.state.findByCode(value)).toBe(room.id);
  });

  test('are claimed once by parallel creations, and the others leave nothing behind', async (h) => {
    const code = freshCode();
    let seen = 0;
    const documents = range(1, 20).map(() => newDocument(h, { code }));
    const results = await Promise.all(documents.map((document) => h.state.create(document, () => (seen += 1))));
    expect(results.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'code_taken')).toHaveLength(19);
    expect(seen).toBe(1);
    const found = await h.state.findByCode(code);
    for (const [index, { id }] of documents.entries()) {
      const created = results[index]?.kind === 'created';
      expect(await h.state.read(id)).toEqual(created ? expect.anything() : null);
      if (created) expect(found).toBe(id);
    }
    expect(h.state.counts().sessions).toEqual({ waiting: 1, paired: 0 });
  });

  test('are refused to a change when they lead elsewhere, and the session stays as it was', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const before = await read(h, room.id);
    let seen = 0;
    const rule = reopenSession(room.host, { value: other.code, expiresAt: h.now() + CODE_TTL_MS });
    expect(await h.state.change(room.id, rule, () => (seen += 1))).toEqual({ kind: 'code_taken' });
    expect(seen).toBe(0);
    expect(await read(h, room.id)).toEqual(before);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.findByCode(other.code)).toBe(other.id);
  });

  test('are claimed once by parallel changes', async (h) => {
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const code = { value: freshCode(), expiresAt: h.now() + CODE_TTL_MS };
    const results = await Promise.all(rooms.map(({ id, host }) => h.state.change(id, reopenSession(host, code))));
    expect(results.filter(({ kind }) => kind === 'decided')).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'code_taken')).toHaveLength(2);
  });

  test('are taken while they would still be found, and free again when they are dead', async (h) => {
    const [closed, expiring] = [await createRoom(h), await createRoom(h)];
    await close(h, closed);
    expectKind(await h.state.create(newDocument(h, { code: closed.code }), ignore), 'code_taken');
    h.advance(CODE_TTL_MS);
    const next = newDocument(h, { code: expiring.code });
    expectKind(await h.state.create(next, ignore), 'created');
    expect(await h.state.findByCode(expiring.code)).toBe(next.id);
  });

  test('take nothing from the session that has it now when the one that had it before goes on', async (h) => {
    const before = await createRoom(h);
    h.advance(CODE_TTL_MS);
    const now = newDocument(h, { code: before.code });
    expectKind(await h.state.create(now, ignore), 'created');
    expectKind(decided(await h.state.change(before.id, lockSession(before.host, true))), 'locked');
    expect(await h.state.findByCode(before.code)).toBe(now.id);
    await close(h, before);
    expect(await h.state.findByCode(before.code)).toBe(now.id);
  });

  test('are counted while they are alive', async (h) => {
    expect(await h.state.countLiveCodes()).toBe(0);
    const [room] = [await createRoom(h), await createRoom(h)];
    expect(await h.state.countLiveCodes()).toBe(2);
    await join(h, room);
    expect(await h.state.countLiveCodes()).toBe(2);
    h.advance(CODE_TTL_MS);
    expect(await h.state.countLiveCodes()).toBe(0);
  });

  test('are not counted once they were killed', async (h) => {
    const [kicked, reopened] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, kicked);
    await h.state.change(kicked.id, kickParticipant(kicked.host, guest.seatId));
    expect(await h.state.countLiveCodes()).toBe(1);
    const code = { value: freshCode(), expiresAt: h.now() + CODE_TTL_MS };
    expectKind(decided(await h.state.change(reopened.id, reopenSession(reopened.host, code))), 'reopened');
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('are not counted once they are expired, whatever their session goes on to do', async (h) => {
    const expired = await createRoom(h);
    h.advance(CODE_TTL_MS);
    await createRoom(h);
    expectKind(decided(await h.state.change(expired.id, lockSession(expired.host, true))), 'locked');
    expect(await h.state.countLiveCodes()).toBe(1);
  });
}
