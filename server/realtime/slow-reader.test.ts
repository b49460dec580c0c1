import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { countUnsent } from './slow-reader.ts';

const KIB = 1024;

/** Engine.IO's connection as far as it is watched: a transport that is busy until it says that it has sent. */
class Sender extends EventEmitter {
  readonly transport = { writable: true, socket: { bufferedAmount: 0 } };

  /** As Engine.IO does it: the packet is told of, and all that waits is handed over when the transport takes it. */
  write(data: string | Buffer): void {
    this.emit('packetCreate', { data });
    if (this.transport.writable) this.#flush();
  }

  /** The transport may be handed more. */
  sent(bufferedAmount = 0): void {
    this.transport.socket.bufferedAmount = bufferedAmount;
    this.transport.writable = true;
  }

  #flush(): void {
    this.emit('flush');
    this.transport.writable = false;
  }

  flushLater(): void {
    this.#flush();
  }
}

let sender: Sender;
let told: number[];
let unsentBytes: () => number;

beforeEach(() => {
  sender = new Sender();
  told = [];
  unsentBytes = countUnsent(sender, (bytes) => told.push(bytes));
});

describe('what a peer has not read', () => {
  it('is looked at for what waits alone', () => {
    for (let count = 0; count < 10; count += 1) {
      sender.write('x'.repeat(KIB));
      sender.sent();
    }
    expect([told, unsentBytes()]).toEqual([[], 0]);
  });

  it('is counted with each packet behind one that is not sent', () => {
    sender.write('x');
    sender.write('y'.repeat(KIB));
    sender.write(Buffer.alloc(KIB));
    expect([told, unsentBytes()]).toEqual([[KIB, 2 * KIB], 2 * KIB]);
  });

  it('is counted in bytes, as it goes over the wire', () => {
    sender.write('x');
    sender.write('漢é');
    expect([told, unsentBytes()]).toEqual([[5], 5]);
  });

  it('counts what the transport holds beside what waits for it, each once', () => {
    sender.write('x');
    sender.write('y'.repeat(KIB));
    sender.sent(300);
    sender.flushLater();
    sender.transport.socket.bufferedAmount = KIB + 300;
    expect(unsentBytes()).toBe(KIB + 300);
    sender.write('z'.repeat(10));
    expect(told.at(-1)).toBe(KIB + 310);
  });

  it('grows with a reader that has stopped, and is told of with each packet', () => {
    for (let count = 0; count < 2000; count += 1) sender.write('x'.repeat(KIB));
    expect(told).toHaveLength(1999);
    expect(told.findIndex((bytes) => bytes > KIB * KIB)).toBe(KIB);
  });

  it('is known of a client that polls, and of a transport that has gone', () => {
    const polling = Object.assign(new EventEmitter(), { transport: { writable: false } });
    const waiting: number[] = [];
    const unsent = countUnsent(polling, (bytes) => waiting.push(bytes));
    polling.emit('packetCreate', { data: 'x'.repeat(100) });
    polling.emit('packetCreate', {});
    expect([waiting, unsent()]).toEqual([[100, 100], 100]);
  });
});
