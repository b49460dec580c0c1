import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import type { SessionStatus } from '../../../protocol/session.ts';
import { NOW, creation, newSeat, newSession } from '../../../test/support/stored-session.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { change, type Suite } from './suite.conformance.ts';

/** Sessions that an operator looks for. Other tests have sessions here too: each looks for names of its own. */
export function searching(suite: Suite): void {
  async function made(names: readonly (string | null)[], own: Partial<SessionDocument> = {}): Promise<SessionDocument> {
    const seats = names.map((name, index) => newSeat(index === 0 ? 'host' : 'guest', { name }));
    const session = newSession({ id: v7(), seats, ...own });
    await suite.store.commit(creation(session));
    return session;
  }

  async function found(search: string, status: SessionStatus | null = null): Promise<string[]> {
    const { items } = await suite.store.searchSessions(search, status, { cursor: null, limit: 20 }, NOW);
    return items.map(({ document }) => document.id);
  }

  it('finds a session by the start of its id, with hyphens and without, in any case', async () => {
    const { id } = await made(['somebody']);
    for (const length of [19, 24, 30, 36]) {
      const start = id.slice(0, length);
      expect(await found(start)).toContain(id);
      expect(await found(start.toUpperCase())).toContain(id);
      expect(await found(start.replaceAll('-', ''))).toContain(id);
    }
    expect(await found(`${id.slice(0, 35)}${id.endsWith('0') ? '1' : '0'}`)).toEqual([]);
    expect(await found(`-${id}`)).toEqual([]);
    expect(await found(`${id}0`)).toEqual([]);
    expect(await found(`${id.slice(0, 7)}-`)).toEqual([]);
    const [item] = (await suite.store.searchSessions(id, null, { cursor: null, limit: 2 }, NOW)).items;
    expect(item).toEqual(await suite.store.loadSession(id, NOW));
  });

  it('finds a session by the start of a name in it, in any case, once', async () => {
    const tag = randomUUID().slice(0, 8);
    const one = await made([`Grace ${tag} Hopper`, `grace ${tag}`]);
    const other = await made([null, `GRACE ${tag}x`]);
    await made([`Ada ${tag}`]);
    await made([`The other Grace ${tag}`]);
    expect(await found(`grace ${tag}`)).toEqual([other.id, one.id]);
    expect(await found(`GRACE ${tag} h`)).toEqual([one.id]);
    expect(await found(`grace ${tag}y`)).toEqual([]);
  });

  it('takes what is typed as it is, whatever it is', async () => {
    const tag = randomUUID().slice(0, 8);
    const hostile = [`%${tag}_'; drop table sessions; --`, `\\${tag}\\%`, `<b>${tag}`, `😀${tag}`, `ab_${tag}`];
    for (const name of hostile) {
      const { id } = await made([name]);
      expect([name, await found(name)]).toEqual([name, [id]]);
      expect([name, await found(Array.from(name).slice(0, 9).join(''))]).toEqual([name, expect.arrayContaining([id])]);
    }
    expect(await found(`%${tag}%`)).toEqual([]);
    expect(await found(`abc${tag}`)).toEqual([]);
  });

  it('finds those of a status alone, and who left no longer', async () => {
    const name = `seat ${randomUUID()}`;
    const waiting = await made([name]);
    const paired = await made([name, 'guest'], { everPaired: true });
    const closed = await made([name]);
    await suite.store.commit(change({ ...closed, closed: { reason: 'idle', at: NOW + 5 } }, []));
    expect(await found(name)).toEqual([closed.id, paired.id, waiting.id]);
    expect(await found(name, 'waiting')).toEqual([waiting.id]);
    expect(await found(name, 'paired')).toEqual([paired.id]);
    expect(await found(name, 'closed')).toEqual([closed.id]);
    const [host, guest] = paired.seats;
    if (host === undefined || guest === undefined) throw new Error('There are two');
    await suite.store.commit({
      ...change({ ...paired, seats: [guest] }, []),
      ended: [{ sessionId: paired.id, seat: host, reason: 'kicked', at: NOW + 9 }],
    });
    expect(await found(name)).toEqual([closed.id, waiting.id]);
    expect(await suite.store.leftSeats(paired.id)).toEqual([
      {
        ...{ id: host.id, role: 'host', name, userId: host.userId, joinedAt: host.joinedAt, joinedSeq: host.joinedSeq },
        ...{ delivered: 0, read: 0, left: { at: NOW + 9, reason: 'kicked' } },
      },
    ]);
    expect(await suite.store.leftSeats(waiting.id)).toEqual([]);
    expect(await suite.store.leftSeats('no id')).toEqual([]);
  });

  it('goes through what it found in pages, each with a cursor of that search alone', async () => {
    const name = `page ${randomUUID()}`;
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) ids.unshift((await made([name])).id);
    const pages: string[][] = [];
    let cursor: string | null = null;
    do {
      const page = await suite.store.searchSessions(name, null, { cursor, limit: 2 }, NOW);
      pages.push(page.items.map(({ document }) => document.id));
      if (cursor !== null) {
        const elsewhere = suite.store.searchSessions(`${name}.`, null, { cursor, limit: 2 }, NOW);
        await expect(elsewhere).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
      }
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  });
}
