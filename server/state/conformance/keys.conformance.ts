import { expect } from '@jest/globals';
import { DEFAULTS } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { createRoom, ignore, join, newDocument, read, tryJoin } from './room.conformance.ts';
import { freshId, range } from './message.conformance.ts';

export function findingByKey({ test }: Suite): void {
  test('of parallel creations make one session', async (h) => {
    const keyHash = freshId();
    let seen = 0;
    const documents = range(1, 20).map(() => newDocument(h, { keyHash }));
    const results = await Promise.all(documents.map((document) => h.state.create(document, () => (seen += 1))));
    expect(results.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(seen).toBe(1);
    const winner = await h.state.findByKey(keyHash);
    for (const [index, result] of results.entries()) {
      if (result.kind === 'created') expect(winner).toBe(documents[index]?.id);
      else expect(result).toEqual({ kind: 'key_taken', sessionId: winner });
    }
    expect(h.state.counts().sessions).toEqual({ waiting: 1, paired: 0 });
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('of parallel joins take one seat', async (h) => {
    const room = await createRoom(h, { capacity: 5 });
    const keyHash = freshId();
    const outcomes = await Promise.all(range(1, 20).map(() => tryJoin(h, room, keyHash)));
    expect(outcomes.filter(({ kind }) => kind === 'joined')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'retaken')).toHaveLength(19);
    const { seats } = (await read(h, room.id)).document;
    expect(seats).toHaveLength(2);
    expect(seats[1]?.generation).toBe(20);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
  });

  test('lead to the session of the seat, of host and guest, and nowhere else', async (h) => {
    const keyHash = freshId();
    const room = await createRoom(h, { keyHash });
    const guestKey = freshId();
    await join(h, room, guestKey);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
    expect(await h.state.findByKey(guestKey)).toBe(room.id);
    expect(await h.state.findByKey(freshId())).toBeNull();
    const repeated = await h.state.create(newDocument(h, { keyHash: guestKey }), ignore);
    expect(repeated).toEqual({ kind: 'key_taken', sessionId: room.id });
  });

  test('are new again beyond the retry horizon', async (h) => {
    const keyHash = freshId();
    const room = await createRoom(h, { keyHash });
    h.advance(DEFAULTS.retryHorizonMs - 1);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
    h.advance(2);
    const next = newDocument(h, { keyHash });
    expectKind(await h.state.create(next, ignore), 'created');
    expect(await h.state.findByKey(keyHash)).toBe(next.id);
  });
}
