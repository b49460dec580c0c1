import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium } from 'playwright-core';
import type { Browser, BrowserServer } from 'playwright-core';
import { CHROMIUM_ARGUMENTS } from './support/chromium-arguments.ts';
import { within } from './support/deadline.ts';
import { LibraryTab } from './support/library-tab.ts';
import { freezeTree } from './support/process-tree.ts';
import { startServer } from './support/server.ts';
import type { RunningServer } from './support/server.ts';
import { seqsTo, SessionReader } from './support/session-reader.ts';
import { startSleepingNetwork } from './support/sleeping-network.ts';
import type { SleepingNetwork } from './support/sleeping-network.ts';
import { TandemClient } from '../client/client.ts';
import type { TandemSession } from '../client/session.ts';

const SLEEP_MS = 10 * 60_000;
/** Decides nothing but how long a failing test takes. */
const PRESENCE_DEADLINE_MS = 40_000;

/** Resolves when the session says that everybody of these is there, or is not. */
function presenceOf(session: TandemSession, ids: readonly string[], presence: 'online' | 'away'): Promise<void> {
  const isSo = (): boolean =>
    ids.every((id) => session.info.participants.find((participant) => participant.id === id)?.presence === presence);
  const changed = new Promise<void>((resolve) => {
    const off = session.on('changed', () => {
      if (!isSo()) return;
      off();
      resolve();
    });
  });
  return isSo()
    ? Promise.resolve()
    : within(PRESENCE_DEADLINE_MS, () => `${ids.join(' and ')} to be ${presence}`, changed);
}

describe('a laptop that slept ten minutes', () => {
  let browserServer: BrowserServer;
  let browser: Browser;
  let server: RunningServer;
  let network: SleepingNetwork;
  let client: TandemClient;
  let thaw: () => void;
  let sleptMs: number;

  beforeAll(async () => {
    // A server of browsers, because its process is known.
    browserServer = await chromium.launchServer({
      executablePath: '/usr/bin/chromium',
      args: [...CHROMIUM_ARGUMENTS],
    });
    browser = await chromium.connect(browserServer.wsEndpoint());
  }, 60_000);
  afterAll(async () => {
    await browserServer.close();
  });
  afterEach(async () => {
    thaw();
    client.close();
    await Promise.all(browser.contexts().map((context) => context.close()));
    await network.close();
    await server.stop();
  });

  async function start(env: Record<string, string>): Promise<void> {
    sleptMs = 0;
    thaw = () => undefined;
    server = await startServer(env, { now: () => Date.now() + sleptMs });
    network = await startSleepingNetwork(server.port);
    client = new TandemClient({ url: server.url, storage: null });
  }

  it('on a device whose monotonic clock sleeps too, and on one whose does not: has everything once and in order', async () => {
    await start({ PARTICIPANT_GRACE: '30m', SESSION_IDLE_WARNING: '40m', SESSION_IDLE_TIMEOUT: '50m' });
    const host = await client.create({ name: 'Awake', capacity: 3 });
    const reader = new SessionReader(host);
    const context = await browser.newContext();
    const tabs: LibraryTab[] = [];
    const ids: string[] = [];
    for (const isMonotonicToo of [true, false]) {
      const tab = await LibraryTab.open(context, network.url, { sleeps: { forMs: SLEEP_MS, isMonotonicToo } });
      ids.push((await tab.take({ kind: 'join', target: host.link() ?? '' })).participantId);
      tabs.push(tab);
    }
    const [swift, slow] = tabs as [LibraryTab, LibraryTab];
    await host.send('text', 'good night');
    for (const tab of tabs) await tab.hears('good night');

    // The lid closes between a message and its answer: that one is stored, the others are not.
    network.loseAnswers();
    await swift.say('swift 1', 'swift 2', 'swift 3');
    await slow.say('slow 1', 'slow 2');
    await reader.has(3);
    network.cut();
    for (const tab of tabs) await tab.fallAsleep();
    thaw = await freezeTree(browserServer.process().pid ?? -1);
    // That it notices silence by itself, in 25 s, is tried elsewhere (silence.test.ts).
    network.tellServer();
    await presenceOf(host, ids, 'away');
    sleptMs = SLEEP_MS;
    const meanwhile = Array.from({ length: 40 }, (_, index) => `meanwhile ${index}`);
    for (const text of meanwhile) await host.send('text', text);
    expect(reader.messages).toHaveLength(43);
    for (const tab of tabs) expect(tab.bodies).toEqual(['good night']);

    thaw();
    await presenceOf(host, ids, 'online');
    await reader.has(46);
    for (const tab of tabs) {
      await tab.next('message', (message) => (message as { seq: number }).seq === 46);
      expect(tab.bodies).toEqual(reader.bodies);
      expect(tab.seqs).toEqual(seqsTo(46));
      expect(await tab.queue()).toEqual([]);
      expect(await tab.connection()).toBe('online');
      for (const event of ['gap', 'reset', 'failed', 'ended', 'fault']) expect(tab.all(event)).toEqual([]);
      expect(await tab.aheadMs()).toBe(SLEEP_MS);
    }
    const mine = (name: string) => reader.bodies.filter((body) => String(body).startsWith(name));
    expect(mine('swift')).toEqual(['swift 1', 'swift 2', 'swift 3']);
    expect(mine('slow')).toEqual(['slow 1', 'slow 2']);
    expect(mine('meanwhile')).toEqual(meanwhile);
    expect(reader.seqs).toEqual(seqsTo(46));
    expect(host.info.participants).toHaveLength(3);
  }, 120_000);

  it('longer than its seat was kept for: is told so, and of each message that was never sent', async () => {
    await start({ PARTICIPANT_GRACE: '5m', SESSION_IDLE_WARNING: '40m', SESSION_IDLE_TIMEOUT: '50m' });
    const host = await client.create({ name: 'Awake' });
    const reader = new SessionReader(host);
    const tab = await LibraryTab.open(await browser.newContext(), network.url, {
      sleeps: { forMs: SLEEP_MS, isMonotonicToo: true },
    });
    const { participantId } = await tab.take({ kind: 'join', target: host.link() ?? '' });
    const left = new Promise((resolve) => host.on('left', resolve));
    network.cut();
    await tab.say('too late', 'and this');
    await tab.fallAsleep();
    thaw = await freezeTree(browserServer.process().pid ?? -1);
    network.tellServer();
    await presenceOf(host, [participantId], 'away');
    sleptMs = SLEEP_MS;
    expect(await left).toMatchObject({ participantId, reason: 'timeout' });

    thaw();
    expect(await tab.next('ended')).toMatchObject({ reason: 'rejected', canResume: false, error: 'RESUME_REJECTED' });
    expect(tab.all('failed')).toMatchObject([{ body: 'too late' }, { body: 'and this' }]);
    expect(await tab.connection()).toBe('closed');
    await host.send('text', 'alone');
    await reader.has(1);
    expect(reader.bodies).toEqual(['alone']);
    // The browser would load the page over a connection that it takes for alive.
    network.endCut();
    await tab.load();
    await expect(tab.take({ kind: 'restore' })).rejects.toThrow('no seat');
  }, 120_000);
});
