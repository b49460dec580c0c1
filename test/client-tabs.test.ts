import { describe, expect, it } from '@jest/globals';
import { stageLibrary } from './support/library-stage.ts';
import type { Peer } from './support/library-stage.ts';
import { LibraryTab } from './support/library-tab.ts';
import type { TandemSession } from '../client/session.ts';

const REPLACED = { reason: 'replaced', canResume: true, error: null };

const stage = stageLibrary();

describe('two tabs that share a storage, and with it a seat', () => {
  /** The second has just taken the seat from the first. */
  async function twoTabs(): Promise<Peer & { first: LibraryTab; second: LibraryTab }> {
    const context = await stage.newContext();
    const first = await LibraryTab.open(context, stage.url, { storage: 'localStorage' });
    const { link, participantId } = await first.take({ kind: 'create', options: { name: 'Ada' } });
    const { peer, reader } = await stage.peerOf(link);
    await first.comesTo('online');
    await first.say('by the first');
    await first.hears('by the first');
    const second = await LibraryTab.open(context, stage.url, { storage: 'localStorage' });
    expect((await second.take({ kind: 'restore' })).participantId).toBe(participantId);
    await second.comesTo('online');
    expect(await first.next('ended')).toEqual(REPLACED);
    return { first, second, peer, reader };
  }

  /** The one tab holds the seat, the other knows that it does not, and the peer sees one participant there. */
  async function assertHolder(holder: LibraryTab, other: LibraryTab, peer: TandemSession): Promise<void> {
    expect([await holder.connection(), await other.connection()]).toEqual(['online', 'closed']);
    expect(peer.info.participants.map(({ name, presence }) => [name, presence])).toEqual([
      ['Ada', 'online'],
      ['Peer', 'online'],
    ]);
  }

  it('hold it one at a time, take it back and forth, and lose and double nothing of either queue', async () => {
    const { first, second, peer, reader } = await twoTabs();
    await assertHolder(second, first, peer);
    await first.say('queued by the first', 'and more');
    await second.say('by the second');
    await peer.send('text', 'by the peer');
    await second.hears('by the peer');
    expect(await first.queue()).toEqual(['queued by the first', 'and more']);
    expect(first.bodies).toEqual(['by the first']);

    await first.resumeHere();
    expect(await second.next('ended')).toEqual(REPLACED);
    await first.hears('and more');
    await assertHolder(first, second, peer);
    await second.say('queued by the second');
    await peer.send('text', 'by the peer again');
    await first.hears('by the peer again');

    await second.resumeHere();
    expect(await first.next('ended')).toEqual(REPLACED);
    await second.hears('queued by the second');
    await assertHolder(second, first, peer);

    await first.resumeHere();
    await first.hears('queued by the second');
    await reader.has(7);
    const bodies = [
      'by the first',
      ...['by the second', 'by the peer'].sort((a, b) => reader.bodies.indexOf(a) - reader.bodies.indexOf(b)),
      ...['queued by the first', 'and more', 'by the peer again', 'queued by the second'],
    ];
    expect(reader.bodies).toEqual(bodies);
    expect(first.bodies).toEqual(bodies);
    // The first message was handed out by the other tab.
    expect(second.bodies).toEqual(bodies.slice(1));
    for (const tab of [first, second]) {
      expect(await tab.queue()).toEqual([]);
      expect(tab.all('failed')).toEqual([]);
    }
  }, 60_000);

  it('the queue of the one that was replaced is sent by whoever restores the seat next, and not again by itself', async () => {
    const { first, second, reader } = await twoTabs();
    await first.say('left behind', 'and this');
    expect(await first.queue()).toEqual(['left behind', 'and this']);
    await second.load();
    await second.take({ kind: 'restore' });
    await second.hears('and this');
    await first.resumeHere();
    await first.hears('and this');
    expect(await second.next('ended')).toEqual(REPLACED);
    await first.say('at last');
    await first.hears('at last');
    await reader.has(4);
    expect(reader.bodies).toEqual(['by the first', 'left behind', 'and this', 'at last']);
    expect(first.bodies).toEqual(reader.bodies);
    expect(first.all('sent')).toHaveLength(4);
    expect(await first.queue()).toEqual([]);
  }, 60_000);

  it('the queue of the one that was replaced outlives its tab', async () => {
    const { first, second, reader } = await twoTabs();
    await first.say('last words', 'and more');
    expect(await first.queue()).toEqual(['last words', 'and more']);
    await first.page.close();
    await second.load();
    await second.take({ kind: 'restore' });
    await second.hears('and more');
    await reader.has(3);
    expect(reader.bodies).toEqual(['by the first', 'last words', 'and more']);
    expect(await second.queue()).toEqual([]);
  }, 60_000);

  it('what was queued when both were away is sent once, by whichever comes back', async () => {
    const { first, second, reader } = await twoTabs();
    await first.say('by the replaced one');
    await stage.sayWhileAway(second, 'by the holder', 'and more');
    await reader.has(3);
    await first.resumeHere();
    await first.hears('by the replaced one');
    await reader.has(4);
    expect(reader.bodies).toEqual(['by the first', 'by the holder', 'and more', 'by the replaced one']);
    expect(first.bodies).toEqual(reader.bodies);
  }, 60_000);

  it('the one that was replaced may leave, and takes neither the seat nor the queue of the other along', async () => {
    const { first, second, peer, reader } = await twoTabs();
    await first.say('never sent');
    await second.disconnect();
    await second.say('queued by the holder');
    await first.leave();
    expect(await first.next('failed')).toMatchObject({ body: 'never sent', error: 'NOT_IN_SESSION' });
    await second.load();
    await second.take({ kind: 'restore' });
    await second.hears('queued by the holder');
    await reader.has(2);
    expect(reader.bodies).toEqual(['by the first', 'queued by the holder']);
    await assertHolder(second, first, peer);
  }, 60_000);

  it('the one that took it back tries to connect at once when the network returns, as any page does', async () => {
    const { first, second } = await twoTabs();
    const hurries = async (tab: LibraryTab): Promise<boolean> => {
      const hurried = tab.hurriesWhenOnline();
      await stage.killServer();
      return hurried;
    };
    expect(await hurries(second)).toBe(true);
    await stage.startServerAgain();
    await second.comesTo('online');
    await first.resumeHere();
    await first.comesTo('online');
    expect(await second.next('ended')).toEqual(REPLACED);
    expect(await hurries(first)).toBe(true);
  }, 60_000);
});
