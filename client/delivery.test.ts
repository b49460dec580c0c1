import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Message, Session } from '../protocol/session.ts';
import { FakeRequests } from '../test/support/fake-requests.ts';
import { FakeStorage } from '../test/support/fake-storage.ts';
import { VirtualTime } from '../test/support/virtual-time.ts';
import type { Connection } from './connection.ts';
import { Delivery } from './delivery.ts';
import { SeatStore } from './seat-store.ts';

const ID = 'session-1';
const ME = 'me';

function sessionOf(lastSeq: number, durableSeq: number): Session {
  return {
    id: ID,
    code: null,
    status: 'paired',
    capacity: 2,
    locked: false,
    approval: false,
    shareHistory: true,
    epoch: 1,
    lastSeq,
    durableSeq,
    durability: 'redis_memory',
    createdAt: '',
    codeExpiresAt: null,
    metadata: {},
    participants: [],
  };
}

function messageOf(seq: number, id = `message-${seq}`, from = 'another'): Message {
  return { id, seq, sessionId: ID, from, type: 'text', body: id, sentAt: '' };
}

/** A seat that has had everything up to 90, on a connection that the test is the far end of. */
class Page {
  readonly sends = new FakeRequests('message:send');
  readonly pages = new FakeRequests('message:history');
  /** What the application was told, in its order. */
  readonly told: string[] = [];
  readonly delivery: Delivery;
  isHeard = true;
  restarts = 0;
  /** Holds every message up until the test lets it go, as decryption does. */
  release: (() => void)[] | null = null;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, storage: FakeStorage) {
    this.#time = time;
    const store = new SeatStore(storage, 'tandem');
    const stored = store.load();
    store.saveSeat({ sessionId: ID, participantId: ME, resumeToken: 'token', secret: null, info: sessionOf(90, 90) });
    const position = { epoch: 1, lastSeq: 90, lastId: 'message-90', durableSeq: 90 };
    const request: Connection['request'] = (command, payload) =>
      command === 'message:send' ? this.sends.request(command, payload) : this.pages.request(command, payload);
    const restart = (): void => {
      this.restarts += 1;
      this.delivery.interrupted();
    };
    const parts = { clock: time, random: () => 0.5, requests: { request, restart }, store, bounds: undefined };
    this.delivery = new Delivery({ sessionId: ID, participantId: ME }, stored?.position ?? position, parts, {
      seal: null,
      isHeard: () => this.isHeard,
      prepare: (item) => {
        const tell = (): void => {
          this.told.push(item.kind === 'message' ? `${item.message.seq} ${item.message.id}` : 'gap');
        };
        return this.release === null ? tell : new Promise((resolve) => this.release?.push(() => resolve(tell)));
      },
      reset: (afterSeq) => this.told.push(`reset ${afterSeq}`),
      sent: ({ id, seq }) => this.told.push(`sent ${id} as ${seq}`),
      failed: ({ id }) => this.told.push(`failed ${id}`),
      changed: () => undefined,
      unstored: () => undefined,
    });
    if (stored === null) store.savePosition(position);
    this.delivery.restore(stored?.messages ?? []);
  }

  async send(id: string, seq: number): Promise<void> {
    void this.delivery.outbox.add({ id, type: 'text', body: id });
    this.delivery.sender.pump();
    await this.acknowledge(id, seq);
  }

  async acknowledge(id: string, seq: number, duplicate = false): Promise<void> {
    this.sends.ok({ id, seq, sentAt: '', epoch: 1, durableSeq: 90, duplicate });
    await this.settled();
  }

  handshake(): number {
    this.delivery.interrupted();
    return this.delivery.resume().lastSeq;
  }

  /** The connection is lost; on the next one the server has this, under the same epoch. */
  async resume(messages: Message[], { lastSeq = messages.at(-1)?.seq ?? 90, durableSeq = 90 } = {}): Promise<void> {
    this.handshake();
    await this.resumed(messages, { lastSeq, durableSeq });
  }

  async resumed(messages: Message[], { lastSeq, durableSeq }: { lastSeq: number; durableSeq: number }): Promise<void> {
    const session = sessionOf(lastSeq, durableSeq);
    const self = { participantId: ME, role: 'host' } as const;
    const hasMore = lastSeq > (messages.at(-1)?.seq ?? 90);
    this.delivery.resumed({ session, self, messages, hasMore, gap: null, reset: false }, 0);
    await this.settled();
  }

  /** Of the history that was asked for last. */
  async page(
    messages: Message[],
    { lastSeq, durableSeq = 90 }: { lastSeq: number; durableSeq?: number },
  ): Promise<void> {
    const hasMore = lastSeq > (messages.at(-1)?.seq ?? lastSeq);
    this.pages.ok({ messages, hasMore, lastSeq, durableSeq, epoch: 1 });
    await this.settled();
  }

  async receive(...messages: Message[]): Promise<void> {
    for (const message of messages) this.delivery.receive(message);
    await this.settled();
  }

  async listen(): Promise<void> {
    this.isHeard = true;
    this.delivery.heard();
    await this.settled();
  }

  async settled(): Promise<void> {
    await this.#time.pass(0);
  }

  get sent(): string[] {
    return this.sends.payloads.map(({ id }) => id);
  }
}

let storage: FakeStorage;
let time: VirtualTime;
let page: Page;

beforeEach(() => {
  storage = new FakeStorage();
  time = new VirtualTime();
  page = new Page(time, storage);
  page.delivery.opened(sessionOf(90, 90));
});

/** What the storage holds of own messages: the seq that each has there. */
function storedSeqs(): Record<string, number | undefined> {
  const keys = [...storage.items.keys()].filter((key) => key.startsWith('tandem.m.'));
  const stored = keys.map((key) => JSON.parse(storage.items.get(key) ?? '') as { id: string; seq?: number });
  return Object.fromEntries(stored.map(({ id, seq }) => [id, seq]));
}

const others = [91, 92, 93, 94, 95].map((seq) => messageOf(seq));

describe('a resume without a reset, of a store that lost what was not handed out yet', () => {
  it('sends an own message again that was acknowledged and never handed out', async () => {
    page.isHeard = false;
    await page.receive(...others);
    await page.send('precious', 96);
    await page.resume(others);
    expect(page.sent).toEqual(['precious', 'precious']);
    await page.receive(messageOf(96));
    await page.acknowledge('precious', 97);
    page.delivery.headSeen(sessionOf(97, 97));
    await page.listen();
    expect(page.told).toEqual([
      ...['sent precious as 96', 'sent precious as 97'],
      ...others.map(({ seq, id }) => `${seq} ${id}`),
      ...['96 message-96', '97 precious'],
    ]);
    expect(storedSeqs()).toEqual({});
  });

  it('sends an own message again that waited behind a hole', async () => {
    await page.send('precious', 92);
    await page.resume([messageOf(91)]);
    expect(page.told).toEqual(['sent precious as 92', '91 message-91']);
    expect(page.sent).toEqual(['precious', 'precious']);
    await page.acknowledge('precious', 92);
    expect(page.told.slice(2)).toEqual(['sent precious as 92', '92 precious']);
  });

  it('hands out what the store has now, and nothing that waited behind a hole', async () => {
    await page.receive(messageOf(92, 'old-92'), messageOf(93, 'old-93'));
    await page.resume([]);
    await page.receive(messageOf(91, 'new-91'), messageOf(92, 'new-92'));
    expect(page.told).toEqual(['91 new-91', '92 new-92']);
    expect(page.delivery.position).toMatchObject({ lastSeq: 92, lastId: 'new-92' });
  });

  it('comes back with a reset when that was handed out during the handshake', async () => {
    page.isHeard = false;
    await page.receive(messageOf(91, 'old-91'), messageOf(92, 'old-92'));
    page.handshake();
    await page.listen();
    await page.resumed([messageOf(91)], { lastSeq: 91, durableSeq: 90 });
    expect([page.restarts, page.handshake(), page.sent]).toEqual([1, 92, []]);
  });

  it('loses no own message by a reload before everything was read', async () => {
    page.isHeard = false;
    await page.send('precious', 93);
    await page.resume([messageOf(91)], { lastSeq: 93 });
    expect(storedSeqs()).toEqual({ precious: undefined });
    const reloaded = new Page(time, storage);
    await reloaded.resume([messageOf(91), messageOf(92), messageOf(93)], { durableSeq: 93 });
    expect(reloaded.sent).toEqual(['precious']);
  });
});

describe('a resume without a reset, of a store that lost nothing', () => {
  const first = messageOf(91, 'own-first', ME);
  const second = messageOf(94, 'own-second', ME);
  const all = [first, messageOf(92), messageOf(93), second];
  const sent = ['sent own-first as 91', 'sent own-second as 94'];
  const messages = ['91 own-first', '92 message-92', '93 message-93', '94 own-second'];

  beforeEach(async () => {
    page.isHeard = false;
    await page.send('own-first', 91);
    await page.receive(messageOf(92), messageOf(93));
    await page.send('own-second', 94);
  });

  it('sends nothing twice and hands nothing out twice, over as many pages as it takes', async () => {
    await page.resume([first], { lastSeq: 94 });
    void page.delivery.outbox.add({ id: 'own-third', type: 'text', body: 'own-third' });
    page.delivery.sender.pump();
    await page.page([messageOf(92)], { lastSeq: 94 });
    await page.page([messageOf(93)], { lastSeq: 94 });
    expect(page.sent).toEqual(['own-first', 'own-second']);
    await page.page([second], { lastSeq: 94 });
    expect(page.sent).toEqual(['own-first', 'own-second', 'own-third']);
    await page.listen();
    expect(page.told).toEqual([...sent, ...messages]);
    expect(storedSeqs()).toEqual({ 'own-first': 91, 'own-second': 94, 'own-third': undefined });
  });

  it('goes on where the connection was lost between two pages', async () => {
    await page.resume([first], { lastSeq: 94 });
    await page.resume(all.slice(0, 2), { lastSeq: 94 });
    await page.page([messageOf(93), second], { lastSeq: 94, durableSeq: 94 });
    await page.listen();
    expect(page.told).toEqual([...sent, ...messages]);
    expect(page.sent).toEqual(['own-first', 'own-second']);
    expect(storedSeqs()).toEqual({});
  });

  it('keeps what is not durable for a later one, that of a reloaded page too', async () => {
    await page.resume(all);
    const reloaded = new Page(time, storage);
    reloaded.isHeard = false;
    await reloaded.resume(all);
    expect(storedSeqs()).toEqual({ 'own-first': 91, 'own-second': 94 });
    await reloaded.resume([messageOf(91)]);
    await reloaded.acknowledge('own-first', 92);
    await reloaded.acknowledge('own-second', 93);
    await reloaded.listen();
    expect(reloaded.told).toEqual([
      ...['sent own-first as 92', 'sent own-second as 93'],
      ...['91 message-91', '92 own-first', '93 own-second'],
    ]);
  });

  it('hands a message out once that is prepared when it comes', async () => {
    page.release = [];
    await page.listen();
    await page.resume(all);
    expect(page.told).toEqual(sent);
    for (let at = 0; at < page.release.length; at += 1) {
      page.release[at]?.();
      await page.settled();
    }
    expect(page.told).toEqual([...sent, ...messages]);
  });

  it('counts once when its answer comes twice', async () => {
    await page.resume(all);
    await page.receive(messageOf(95));
    await page.resumed(all, { lastSeq: 94, durableSeq: 90 });
    await page.listen();
    expect(page.told).toEqual([...sent, ...messages, '95 message-95']);
    expect(page.sent).toEqual(['own-first', 'own-second']);
  });

  it('sends nothing while what came does not fit', async () => {
    await page.listen();
    await page.resume([messageOf(94, 'another-94')]);
    void page.delivery.outbox.add({ id: 'own-third', type: 'text', body: 'own-third' });
    page.delivery.sender.pump();
    expect([page.restarts, page.sent]).toEqual([1, ['own-first', 'own-second']]);
  });
});

describe('another message in the place of one that waits', () => {
  it('asks for a resume, and the own one that stood there is sent again', async () => {
    await page.send('precious', 92);
    await page.receive(messageOf(92));
    expect(page.restarts).toBe(1);
    await page.resume([messageOf(91), messageOf(92)]);
    await page.acknowledge('precious', 93);
    expect(page.told.slice(1)).toEqual(['91 message-91', '92 message-92', 'sent precious as 93', '93 precious']);
  });
});
