import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { chromium } from 'playwright-core';
import { emptyDataDirectory } from './support/data-directory.ts';
import { stageLibrary } from './support/library-stage.ts';
import type { Peer } from './support/library-stage.ts';
import { LibraryTab } from './support/library-tab.ts';
import { seqsTo } from './support/session-reader.ts';

const stage = stageLibrary();

/** Leaves no room for a single character. */
async function fill(tab: LibraryTab): Promise<void> {
  await tab.page.evaluate(() => {
    let text = '';
    for (let more = 'x'.repeat(1 << 22); more !== '';) {
      try {
        localStorage.setItem('filler', text + more);
        text += more;
      } catch {
        more = more.slice(0, more.length >> 1);
      }
    }
  });
  const isFull = tab.page.evaluate(() => {
    try {
      localStorage.setItem('filler', `${localStorage.getItem('filler') ?? ''}x`);
      return false;
    } catch (error) {
      return (error as DOMException).name === 'QuotaExceededError';
    }
  });
  expect(await isFull).toBe(true);
}

/** Both sides talk, also across the death of their server: everything arrives everywhere, once and in order. */
async function assertTalks(tab: LibraryTab, { peer, reader }: Peer): Promise<void> {
  const before = reader.messages.length;
  await tab.say('one', 'two', 'three');
  await reader.has(before + 3);
  await peer.send('text', 'four, by the peer');
  await tab.hears('four, by the peer');
  await stage.sayWhileAway(tab, 'five', 'six');
  await reader.has(before + 6);
  await tab.hears('six');
  const bodies = ['one', 'two', 'three', 'four, by the peer', 'five', 'six'];
  expect(reader.bodies.slice(before)).toEqual(bodies);
  expect(tab.bodies).toEqual(reader.bodies);
  expect(tab.seqs).toEqual(seqsTo(before + 6));
  expect(await tab.queue()).toEqual([]);
  expect(tab.all('failed')).toEqual([]);
}

describe('a storage that is full', () => {
  it('from the start: the application is told once, and nothing is lost while its page lives', async () => {
    const tab = await LibraryTab.open(await stage.newContext(), stage.url, { storage: 'localStorage' });
    await fill(tab);
    const { peer, reader } = await stage.peerOf((await tab.take({ kind: 'create', options: {} })).link);
    await tab.next('unstored');
    await assertTalks(tab, { peer, reader });
    expect(tab.all('unstored')).toHaveLength(1);
  }, 60_000);

  it('tells a listener that comes late, and those of before not again', async () => {
    const tab = await LibraryTab.open(await stage.newContext(), stage.url, { storage: 'localStorage' });
    await fill(tab);
    await tab.take({ kind: 'create', options: {} });
    await tab.next('unstored');
    await tab.addListener('unstored', 'unstored, told late');
    await tab.next('unstored, told late');
    expect(tab.all('unstored')).toHaveLength(1);
  }, 60_000);

  it('later on: told then and once, and a reload has the seat and hears again what it could not note', async () => {
    const tab = await LibraryTab.open(await stage.newContext(), stage.url, { storage: 'localStorage' });
    const { peer, reader } = await stage.peerOf((await tab.take({ kind: 'create', options: {} })).link);
    await tab.say('while there is room');
    await tab.hears('while there is room');
    await tab.barrier();
    expect(tab.all('unstored')).toEqual([]);
    await fill(tab);
    await assertTalks(tab, { peer, reader });
    expect(tab.all('unstored')).toHaveLength(1);

    const heard = tab.bodies.length;
    await tab.load();
    await tab.take({ kind: 'restore' });
    await peer.send('text', 'after the reload');
    await tab.hears('after the reload');
    const again = tab.seqs.slice(heard);
    expect(again).toEqual(seqsTo(reader.messages.length).slice(-again.length));
    expect(await tab.queue()).toEqual([]);
    expect(reader.seqs).toEqual(seqsTo(8));
  }, 60_000);
});

describe('a storage that has room again', () => {
  it('keeps what is queued from then on over a reload', async () => {
    const tab = await LibraryTab.open(await stage.newContext(), stage.url, { storage: 'localStorage' });
    const { reader } = await stage.peerOf((await tab.take({ kind: 'create', options: {} })).link);
    await tab.disconnect();
    await fill(tab);
    await tab.say('not stored');
    await tab.next('unstored');
    await tab.page.evaluate(() => localStorage.removeItem('filler'));
    await tab.say('stored', 'this too');
    await tab.load();
    await tab.take({ kind: 'restore' });
    await tab.hears('this too');
    await reader.has(2);
    expect(reader.bodies).toEqual(['stored', 'this too']);
  }, 60_000);
});

describe('a storage that is forbidden', () => {
  it.each(['default', 'localStorage'] as const)(
    'for writing (%s): the application is told once, and nothing is lost while its page lives',
    async (storage) => {
      const context = await stage.newContext();
      await context.addInitScript(() => {
        Storage.prototype.setItem = () => {
          throw new DOMException('Forbidden by the tests.', 'SecurityError');
        };
      });
      const tab = await LibraryTab.open(context, stage.url, { storage });
      const { peer, reader } = await stage.peerOf((await tab.take({ kind: 'create', options: {} })).link);
      await tab.next('unstored');
      await assertTalks(tab, { peer, reader });
      expect(tab.all('unstored')).toHaveLength(1);
    },
    60_000,
  );

  it('altogether, by a user who blocks all data of sites: told once, and nothing is lost while the page lives', async () => {
    const profile = await emptyDataDirectory();
    await mkdir(join(profile.dir, 'Default'));
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    await writeFile(join(profile.dir, 'Default', 'Preferences'), JSON.stringify(preferences));
    const context = await chromium.launchPersistentContext(profile.dir, {
      executablePath: '/usr/bin/chromium',
      args: [
        ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
    try {
      const tab = await LibraryTab.open(context, stage.url);
      await expect(tab.page.evaluate(() => sessionStorage.length)).rejects.toThrow('Access is denied');
      const { peer, reader } = await stage.peerOf((await tab.take({ kind: 'create', options: {} })).link);
      await assertTalks(tab, { peer, reader });
      expect(tab.all('unstored')).toHaveLength(1);
    } finally {
      await context.close();
      await profile.remove();
    }
  }, 60_000);
});
