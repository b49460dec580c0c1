import { beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { TandemError } from '../../../protocol/errors.ts';
import type { RedisSubscriber } from './client.ts';
import { slotOf } from './client-slots.ts';
import { Keys, PARTITIONS } from './keys.ts';
import { MessageChannel } from './message-channel.ts';
import { openText } from '../../sessions/message-text.ts';

const MESSAGE = openText({
  sessionId: 'session',
  from: 'seat',
  id: 'message-1',
  type: 'text',
  bodyJson: '{"a":" 1 "}',
});

let listeners: Map<string, (packet: Buffer) => void>;
let repair: () => void;
let heard: unknown[];
let isCut: boolean;
/** The connection that listens is gone, although what is published comes back over another. */
let isDeaf: boolean;
/** What was published, by channel; a publish fails while it is null. */
let published: [string, string][] | null;
let refused: number;

beforeEach(() => {
  listeners = new Map();
  heard = [];
  isCut = false;
  isDeaf = false;
  published = [];
  refused = 0;
});

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

async function open(kind: 'standalone' | 'cluster' = 'standalone') {
  const subscriber: Pick<RedisSubscriber, 'subscribe' | 'unsubscribe' | 'onResubscribed'> = {
    subscribe: (channels, listener) => {
      for (const channel of channels) listeners.set(channel, (packet) => listener(packet, channel));
      return Promise.resolve();
    },
    unsubscribe: (channels) => {
      for (const channel of channels) listeners.delete(channel);
    },
    onResubscribed: (listener) => {
      repair = () => listener([]);
      return () => undefined;
    },
  };
  let repairs = 0;
  let losses = 0;
  const channel = new MessageChannel({
    redis: {
      kind,
      publish: (name, packet) => {
        if (published === null) {
          refused += 1;
          return Promise.reject(new TandemError('UNAVAILABLE'));
        }
        published.push([name, String(packet)]);
        if (!isCut) listeners.get(name)?.(Buffer.from(packet));
        return Promise.resolve(1);
      },
    },
    subscriber: { ...subscriber, isReady: () => !isDeaf, close: () => Promise.resolve() },
    ...{ keys: new Keys('tandem'), instanceId: 'one' },
    onMessage: ({ json }, sender, epoch) => heard.push({ message: JSON.parse(json) as unknown, sender, epoch }),
    onRepaired: () => (repairs += 1),
    onLostElsewhere: () => (losses += 1),
  });
  await channel.start();
  return { channel, repairs: () => repairs, losses: () => losses };
}

it('hears what the script publishes', async () => {
  await open();
  listeners.get('tandem:to:one')?.(Buffer.from(`2 7 1769860800000 3 seat session ${MESSAGE}`));
  expect(heard).toEqual([
    {
      message: {
        ...{ id: 'message-1', seq: 7, sessionId: 'session', from: 'seat', type: 'text' },
        ...{ body: { a: ' 1 ' }, sentAt: '2026-01-31T12:00:00.000Z' },
      },
      sender: { seatId: 'seat', generation: 3 },
      epoch: 2,
    },
  ]);
});

it('hears of the trace of a message, from this version and from a later one', async () => {
  await open();
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  for (const more of ['', ';more']) {
    listeners.get('tandem:to:one')?.(Buffer.from(`2 7 1 3 seat session;${traceparent}${more} ${MESSAGE}`));
  }
  const sender = { seatId: 'seat', generation: 3, traceparent };
  expect(heard).toEqual([expect.objectContaining({ sender }), expect.objectContaining({ sender })]);
});

it('takes what is no packet of ours for nothing, whoever published it', async () => {
  await open();
  const packets = ['', 'probe ', 'probe one:99', 'x', '1 2 3 4 seat session', '1 2 3 4 seat session {"id":1}'];
  packets.push('1 2 3 4 seat session ', '1 2 3 4 seat session {}', '1 2 3 4 seat session [');
  packets.push(`1 2 999999999999999999 4 seat session ${MESSAGE}`, `a ${MESSAGE}`, '\u0000\u0001');
  for (const packet of packets) {
    expect(() => listeners.get('tandem:to:one')?.(Buffer.from(packet))).not.toThrow();
  }
  listeners.get('tandem:to:one')?.(Buffer.from([0xff, 0xfe, 0x00]));
  expect(heard).toEqual([]);
});

it('lets a probe pass as long as messages pass', async () => {
  const { channel } = await open();
  await channel.probe();
  isCut = true;
  await expect(channel.probe()).rejects.toThrow(TandemError);
  isCut = false;
  await channel.probe();
});

it('lets no probe pass while a channel of its own is not heard', async () => {
  const { channel } = await open();
  isDeaf = true;
  await expect(channel.probe()).rejects.toThrow(TandemError);
  expect(published).toEqual([]);
  isDeaf = false;
  await channel.probe();
});

it('tells the others that its events may not have gone out, until it has told them', async () => {
  const { channel, losses } = await open();
  published = null;
  channel.tellLost();
  channel.tellLost();
  await seen(() => expect(refused).toBe(1));
  published = [];
  await seen(() => expect(published).toEqual([['tandem:to:all', 'lost one']]));
  // It heard itself, and knows what it did.
  expect(losses()).toBe(0);
  listeners.get('tandem:to:all')?.(Buffer.from('lost another'));
  expect(losses()).toBe(1);
});

it('tells when it may have missed something, and hears nothing after the stop', async () => {
  const { channel, repairs } = await open();
  repair();
  expect(repairs()).toBe(1);
  channel.stop();
  expect([...listeners.keys()]).toEqual([]);
});

it('has a channel in the slot of each partition of a cluster, and probes one after the other', async () => {
  const { channel } = await open('cluster');
  // And the one that all instances hear.
  expect(listeners.size).toBe(PARTITIONS + 1);
  const keys = new Keys('tandem');
  for (const id of ['a', 'b', 'c', 'd']) {
    const name = `${channel.nameFor(id)}one`;
    expect(listeners.has(name)).toBe(true);
    expect(slotOf(name)).toBe(slotOf(keys.session(id).flat));
  }
  expect(channel.command).toBe('SPUBLISH');
  for (let count = 0; count < PARTITIONS; count += 1) await channel.probe();
});
