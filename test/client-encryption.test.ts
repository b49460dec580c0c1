import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import type { Message } from '../protocol/session.ts';
import { Client } from './support/client.ts';
import { copyDataDirectory, emptyDataDirectory } from './support/data-directory.ts';
import { FakeStorage } from './support/fake-storage.ts';
import { LibraryTab } from './support/library-tab.ts';
import { launchChromium, PLAIN_HOST } from './support/page-stage.ts';
import { SessionReader } from './support/session-reader.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';
import { stageSpawnedServer } from './support/spawned-stage.ts';
import { codeOf } from './support/stage.ts';
import { filesBelow, findIn, rowsOf } from './support/traces.ts';
import type { Row } from './support/traces.ts';
import { TandemClient } from '../client/client.ts';
import { Cipher } from '../client/encryption.ts';
import { parseTarget } from '../client/link.ts';
import type { TandemSession } from '../client/session.ts';
import type { ReceivedSignal } from '../client/types.ts';

/** Twice as large as what Postgres moves out of its row. */
const LONG = 4_000;

/** What an encrypted conversation and a plain one left behind on the same server. */
interface Evidence {
  readonly sessionId: string;
  readonly openSessionId: string;
  /** Stands in every body of the encrypted session, and in none of the other. */
  readonly marker: Buffer;
  /** Stands in the body of the plain session. */
  readonly openMarker: Buffer;
  readonly secret: string;
  /** As the application handed them in. */
  readonly bodies: readonly unknown[];
  /** All that a participant without the key was sent. */
  readonly bystander: Buffer;
  readonly bystanderMessages: readonly Message[];
  readonly stdout: Buffer;
  readonly logFiles: Map<string, Buffer>;
  readonly dataFiles: Map<string, Buffer>;
  readonly rows: readonly Row[];
}

function newMarker(flower: string): string {
  return `${flower}-${randomBytes(12).toString('hex')}`;
}

function nextSignal(session: TandemSession): Promise<ReceivedSignal> {
  return new Promise((resolve) => {
    const off = session.on('signal', (signal) => {
      off();
      resolve(signal);
    });
  });
}

class Conversation {
  readonly #url: string;
  readonly #clients: TandemClient[] = [];
  readonly #bystander: Client;

  constructor(url: string) {
    this.#url = url;
    this.#bystander = new Client(url);
  }

  async open(encrypt: boolean): Promise<[TandemSession, TandemSession]> {
    const host = await this.#client().create({ name: 'Ada', capacity: 3, encrypt });
    return [host, await this.#client().join(host.link() ?? '', { name: 'Bob' })];
  }

  /** Says the marker in every way in which the library carries a body. */
  async speak([host, guest]: [TandemSession, TandemSession], marker: string): Promise<unknown[]> {
    await this.#bystander.opened();
    await this.#bystander.do('session:join', { code: codeOf(host.info) });
    const reader = new SessionReader(guest);
    const bodies = [marker, { [marker]: [marker] }, `${marker} ${'x'.repeat(LONG)}`, `${marker} by the guest`];
    for (const body of bodies.slice(0, 3)) await host.send('text', body);
    await guest.send('text', `${marker} by the guest`);
    // A refusal is logged, and must not take the body with it.
    await expect(host.send('text', `${marker} ${'x'.repeat(16_000)}`)).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
    const cursor = nextSignal(guest);
    await host.signal('cursor', { at: marker });
    expect(await cursor).toMatchObject({ body: { at: marker } });
    const offer = nextSignal(host);
    await guest.signal('offer', new TextEncoder().encode(marker));
    expect(Buffer.from((await offer).body as Uint8Array).toString()).toBe(marker);
    await reader.has(bodies.length);
    expect(reader.bodies).toEqual(bodies);
    expect((await guest.history()).messages.map(({ body }) => body)).toEqual(bodies);
    guest.markRead();
    await this.#bystander.barrier();
    return bodies;
  }

  get bystanderMessages(): Message[] {
    return this.#bystander.messages();
  }

  /** All that the participant without the key was sent, signals and their bytes too. */
  get bystanderTraffic(): Buffer {
    const signals = this.#bystander.received('signal:new');
    const bytes = signals.map(({ body }) => (body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body))));
    expect(bytes).toHaveLength(2);
    const sessions = this.#bystander.received('session:paired');
    return Buffer.concat([Buffer.from(JSON.stringify([this.bystanderMessages, sessions])), ...bytes]);
  }

  end(): void {
    for (const client of this.#clients) client.close();
    this.#bystander.close();
  }

  #client(): TandemClient {
    const client = new TandemClient({ url: this.#url, storage: null });
    this.#clients.push(client);
    return client;
  }
}

async function gatherEvidence(dataDir: string, logDir: string): Promise<Evidence> {
  const [marker, openMarker] = [newMarker('tulip'), newMarker('daisy')];
  const server: SpawnedServer = await spawnServer(dataDir, { LOG_LEVEL: 'debug', LOG_DIR: logDir });
  const conversation = new Conversation(server.url);
  try {
    const pair = await conversation.open(true);
    const [host] = pair;
    const target = parseTarget(host.link() ?? '');
    if (target.kind !== 'code' || target.secret === null) throw new Error('the link of the session has no key');
    const bodies = await conversation.speak(pair, marker);
    const [openHost] = await conversation.open(false);
    await openHost.send('text', openMarker);
    const { bystanderMessages, bystanderTraffic: bystander } = conversation;
    conversation.end();
    expect(await server.sigterm()).toBe(0);
    return {
      sessionId: host.id,
      openSessionId: openHost.id,
      marker: Buffer.from(marker),
      openMarker: Buffer.from(openMarker),
      secret: target.secret,
      bodies,
      bystander,
      bystanderMessages,
      stdout: Buffer.from(server.log.all.map((line) => JSON.stringify(line)).join('\n') + server.stderr()),
      logFiles: await filesBelow(logDir),
      // Before Postgres opens them again, which is free to tidy up.
      dataFiles: await filesBelow(dataDir),
      rows: await rowsOf(dataDir),
    };
  } finally {
    conversation.end();
    if (server.isRunning()) await server.kill9();
  }
}

describe('what an end-to-end encrypted session leaves on its server', () => {
  let evidence: Evidence;

  beforeAll(async () => {
    const [data, logs] = [await copyDataDirectory(), await emptyDataDirectory()];
    try {
      evidence = await gatherEvidence(data.dir, logs.dir);
    } finally {
      await data.remove();
      await logs.remove();
    }
  }, 120_000);

  function tables(): Map<string, Buffer> {
    return new Map(evidence.rows.map(({ table, text }, index) => [`${table} ${index}`, Buffer.from(text)]));
  }

  function logs(): Map<string, Buffer> {
    return new Map([['stdout', evidence.stdout], ...evidence.logFiles]);
  }

  function messagesOf(sessionId: string): Record<string, unknown>[] {
    const rows = evidence.rows.filter(({ table }) => table === 'public.messages');
    const messages = rows.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
    return messages
      .filter((message) => message['session_id'] === sessionId)
      .sort((a, b) => Number(a['seq']) - Number(b['seq']));
  }

  /** The key as text, and the bytes that it stands for. */
  function keys(): Buffer[] {
    return [Buffer.from(evidence.secret), Buffer.from(evidence.secret, 'base64url')];
  }

  it('is seen where it is not encrypted: in the table, in the files, and by who reads along', () => {
    expect(messagesOf(evidence.openSessionId).map(({ body }) => body)).toEqual([evidence.openMarker.toString()]);
    expect(findIn(tables(), evidence.openMarker)).not.toEqual([]);
    expect(findIn(evidence.dataFiles, evidence.openMarker)).not.toEqual([]);
    // What is no secret of the encrypted session is found too, and by the same search.
    const id = Buffer.from(evidence.sessionId);
    expect(findIn(tables(), id)).not.toEqual([]);
    expect(findIn(new Map([['bystander', evidence.bystander]]), id)).toEqual(['bystander']);
    expect(evidence.logFiles.size).toBeGreaterThan(0);
    expect(findIn(logs(), id)).toEqual([...logs().keys()].filter((name) => !name.endsWith('.json')));
    expect(evidence.stdout.toString()).toContain('"event":"message_sent"');
  });

  it('is no plaintext and no key in any table', () => {
    for (const secret of [evidence.marker, ...keys()]) expect(findIn(tables(), secret)).toEqual([]);
  });

  it('is no plaintext and no key in the bytes of the data directory', () => {
    for (const secret of [evidence.marker, ...keys()]) expect(findIn(evidence.dataFiles, secret)).toEqual([]);
  });

  it('is no plaintext and no key in any log, at the level debug', () => {
    for (const secret of [evidence.marker, evidence.openMarker, ...keys()]) expect(findIn(logs(), secret)).toEqual([]);
  });

  it('is ciphertext in place of each body, which the key opens at its place and no other key does', async () => {
    const stored = messagesOf(evidence.sessionId);
    expect(stored).toHaveLength(evidence.bodies.length);
    const [cipher, other] = [await Cipher.from(evidence.secret), await Cipher.create()];
    for (const [index, { body, id, type, participant_id: from }] of stored.entries()) {
      expect(body).toEqual({ e2e: 1, iv: expect.any(String), data: expect.any(String) });
      const context = { sessionId: evidence.sessionId, from: String(from), type: String(type), id: String(id) };
      expect(await cipher.open(context, body as Message['body'])).toEqual({ kind: 'ok', body: evidence.bodies[index] });
      expect(await other.open(context, body as Message['body'])).toEqual({ kind: 'wrong_key' });
    }
  });

  it('is ciphertext to a participant without the key, in messages and signals', () => {
    expect(evidence.bystanderMessages).toHaveLength(evidence.bodies.length);
    const traffic = new Map([['bystander', evidence.bystander]]);
    for (const secret of [evidence.marker, ...keys()]) expect(findIn(traffic, secret)).toEqual([]);
  });
});

describe('encryption where the browser has no WebCrypto', () => {
  const stage = stageSpawnedServer({ LOG_LEVEL: 'debug' });
  let browser: Browser;
  const clients: TandemClient[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await browser.close();
  });

  function client(): TandemClient {
    const made = new TandemClient({ url: stage.url, storage: null });
    clients.push(made);
    return made;
  }

  /** A tab of the server's origin under a name that is no loopback address, and how often it has connected. */
  async function plainHttpTab(): Promise<{ tab: LibraryTab; sockets: () => number }> {
    const tab = await LibraryTab.open(await browser.newContext(), `http://${PLAIN_HOST}:${stage.server.port}`);
    let sockets = 0;
    tab.page.on('websocket', () => (sockets += 1));
    expect(await tab.page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, 'undefined']);
    return { tab, sockets: () => sockets };
  }

  it('is refused before anything is sent, to create, to join and to take over', async () => {
    const host = await client().create({ encrypt: true, capacity: 3 });
    const guest = await client().join(host.link() ?? '');
    const { tab, sockets } = await plainHttpTab();
    await expect(tab.take({ kind: 'create', options: { encrypt: true } })).rejects.toThrow('FORBIDDEN');
    await expect(tab.take({ kind: 'join', target: host.link() ?? '' })).rejects.toThrow('FORBIDDEN');
    await expect(tab.take({ kind: 'takeOver', handover: guest.handOver() })).rejects.toThrow('FORBIDDEN');
    expect(sockets()).toBe(0);
    expect(guest.ended).toBeNull();
    // The same page has a session that nobody asked it to encrypt: it is the encryption that was refused.
    await tab.take({ kind: 'create', options: {} });
    expect(sockets()).toBe(1);
    await tab.say('in the clear, as asked');
    await tab.hears('in the clear, as asked');
  }, 60_000);

  it('is missed by a seat that was stored when it was there: what is said fails, and none of it is sent', async () => {
    const host = await client().create({ encrypt: true });
    const storage = new FakeStorage();
    const guestClient = new TandemClient({ url: stage.url, storage });
    clients.push(guestClient);
    await guestClient.join(host.link() ?? '');
    const reader = new SessionReader(host);
    const { tab } = await plainHttpTab();
    await tab.page.evaluate(
      (items) => {
        for (const [key, value] of items) sessionStorage.setItem(key, value);
      },
      [...storage.items],
    );
    await tab.take({ kind: 'restore' });
    await tab.comesTo('online');
    await tab.say('not for the server');
    expect(await tab.next('failed')).toMatchObject({ body: 'not for the server' });
    await host.send('text', 'not for this page');
    await reader.has(1);
    expect(reader.bodies).toEqual(['not for this page']);
    await tab.barrier();
    expect(tab.bodies).toEqual([]);
  }, 60_000);
});
