import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import type { Browser, BrowserContext } from 'playwright-core';
import { TandemClient } from '../../client/client.ts';
import type { TandemSession } from '../../client/session.ts';
import { copyDataDirectory } from './data-directory.ts';
import type { DataDirectory } from './data-directory.ts';
import type { LibraryTab } from './library-tab.ts';
import { launchChromium } from './page-stage.ts';
import { SessionReader } from './session-reader.ts';
import { spawnServer } from './spawned-server.ts';
import type { SpawnedServer } from './spawned-server.ts';

/** The other side of a tab's session, in Node.js, and what it is told. */
export interface Peer {
  readonly peer: TandemSession;
  readonly reader: SessionReader;
}

/** One browser and one server for the tests of a file, each of which leaves a server running. */
export interface LibraryStage {
  /** Stays the same when the server is replaced. */
  readonly url: string;
  newContext(): Promise<BrowserContext>;
  peerOf(link: string | null): Promise<Peer>;
  killServer(): Promise<void>;
  /** In the place of one that was killed. */
  startServerAgain(): Promise<void>;
  /** The server dies, the tab says something meanwhile, and another server takes over. */
  sayWhileAway(tab: LibraryTab, ...bodies: string[]): Promise<void>;
}

export function stageLibrary(): LibraryStage {
  let browser: Browser | undefined;
  let data: DataDirectory | undefined;
  let server: SpawnedServer | undefined;
  let peers: TandemClient[] = [];
  let contexts: BrowserContext[] = [];

  beforeAll(async () => {
    data = await copyDataDirectory();
    [server, browser] = await Promise.all([spawnServer(data.dir), launchChromium()]);
  }, 90_000);
  beforeEach(async () => {
    // A test that failed may have left it dead.
    if (server?.isRunning() === false) await startServerAgain();
  });
  afterAll(async () => {
    await browser?.close();
    if (server?.isRunning() === true) await server.kill9();
    await data?.remove();
  });
  afterEach(async () => {
    for (const peer of peers) peer.close();
    await Promise.all(contexts.map((context) => context.close()));
    peers = [];
    contexts = [];
  });

  function running(): SpawnedServer {
    if (server === undefined) throw new Error('the stage has no server: beforeAll failed');
    return server;
  }
  const killServer = async (): Promise<void> => running().kill9();
  const startServerAgain = async (): Promise<void> => {
    server = await spawnServer(data?.dir ?? '', { PORT: String(running().port) });
  };
  return {
    get url() {
      return running().url;
    },
    newContext: async () => {
      if (browser === undefined) throw new Error('the stage has no browser: beforeAll failed');
      const context = await browser.newContext();
      contexts.push(context);
      return context;
    },
    peerOf: async (link) => {
      const client = new TandemClient({ url: running().url, storage: null });
      peers.push(client);
      const peer = await client.join(link ?? '', { name: 'Peer' });
      return { peer, reader: new SessionReader(peer) };
    },
    killServer,
    startServerAgain,
    sayWhileAway: async (tab, ...bodies) => {
      await killServer();
      await tab.comesTo('reconnecting');
      await tab.say(...bodies);
      expect(await tab.queue()).toEqual(bodies);
      await startServerAgain();
    },
  };
}
