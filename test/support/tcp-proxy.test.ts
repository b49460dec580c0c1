import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { within } from './deadline.ts';
import { eventually } from './eventually.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import type { ChooseTarget, ProxiedConnection, Target, TcpProxy } from './tcp-proxy.ts';

const DEADLINE_MS = 5_000;

/** A socket that remembers what arrived and what became of it. */
class End {
  readonly socket: Socket;
  text = '';
  events: string[] = [];
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const note = (event: string) => () => {
      this.events.push(event);
      this.#wake();
    };
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('end', note('end'));
    socket.on('close', note('close'));
    socket.on('error', (error: NodeJS.ErrnoException) => note(error.code ?? error.message)());
  }

  async until(isSo: (end: End) => boolean): Promise<void> {
    const arrived = (async () => {
      while (!isSo(this)) await new Promise<void>((resolve) => (this.#wake = resolve));
    })();
    await within(DEADLINE_MS, () => `received ${this.text.length} bytes, ${this.events.join()}`, arrived);
  }

  async hears(text: string): Promise<void> {
    await this.until((end) => end.text === text);
  }
}

/** For what the proxy counts: nobody is told of it. */
async function comesTrue(isSo: () => boolean): Promise<void> {
  await eventually(() => (isSo() ? Promise.resolve() : Promise.reject(new Error('it did not come true'))), DEADLINE_MS);
}

describe('startTcpProxy', () => {
  const closers: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function listen(): Promise<{ target: Target; accepted: End[]; next(): Promise<End> }> {
    const accepted: End[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new End(socket)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      for (const { socket } of accepted) socket.destroy();
      server.close();
    });
    const next = async () => {
      const known = accepted.length;
      await within(DEADLINE_MS, () => 'no connection at the target', once(server, 'connection'));
      const end = accepted[known];
      if (end === undefined) throw new Error('the connection was not kept');
      return end;
    };
    return { target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, accepted, next };
  }

  async function proxyTo(target: Target | ChooseTarget): Promise<TcpProxy> {
    const proxy = await startTcpProxy(target);
    closers.push(() => proxy.close());
    return proxy;
  }

  function dial(proxy: TcpProxy): End {
    const end = new End(connect({ host: proxy.host, port: proxy.port, allowHalfOpen: true }));
    closers.push(() => {
      end.socket.destroy();
    });
    return end;
  }

  async function through(): Promise<{ proxy: TcpProxy; near: End; far: End; connection: ProxiedConnection }> {
    const server = await listen();
    const proxy = await proxyTo(server.target);
    const [arrival, accepted] = [server.next(), proxy.nextConnection()];
    const near = dial(proxy);
    return { proxy, near, far: await arrival, connection: await accepted };
  }

  it('passes bytes and farewells both ways, and counts the bytes', async () => {
    const { proxy, near, far, connection } = await through();
    near.socket.write('question');
    await far.hears('question');
    far.socket.write('a longer answer');
    await near.hears('a longer answer');
    expect(connection.passed).toEqual({ up: 8, down: 15 });

    near.socket.end();
    await far.until(({ events }) => events.includes('end'));
    far.socket.write('!');
    await near.hears('a longer answer!');
    far.socket.end();
    await near.until(({ events }) => events.includes('close'));
    await far.until(({ events }) => events.includes('close'));
    expect([...near.events, ...far.events]).toEqual(['end', 'close', 'end', 'close']);
    expect(proxy.passed).toEqual({ up: 8, down: 16 });
    expect(proxy.acceptedCount).toBe(1);
  });

  it('passes megabytes unchanged to a reader that is slow at first', async () => {
    const { near, far, connection } = await through();
    const text = Array.from({ length: 300_000 }, (_, index) => String(index).padStart(10, '-')).join('');
    far.socket.pause();
    near.socket.end(text);
    await comesTrue(() => connection.passed.up > 0);
    far.socket.resume();
    await far.until(({ events }) => events.includes('end'));
    expect(far.text).toBe(text);
  });

  it('delays each byte, without changing their order', async () => {
    const { near, far, connection } = await through();
    connection.set({ kind: 'delay', delayMs: 80 }, 'up');
    const sentAt = performance.now();
    near.socket.write('slow');
    await far.hears('slow');
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(79);
    far.socket.write('fast');
    const answeredAt = performance.now();
    await near.hears('fast');
    expect(performance.now() - answeredAt).toBeLessThan(79);
    near.socket.write(' but');
    near.socket.end(' in order');
    await far.hears('slow but in order');
  });

  it('throttles to the rate', async () => {
    const { near, far, proxy } = await through();
    proxy.set({ kind: 'throttle', bytesPerSecond: 10_000 });
    const sentAt = performance.now();
    near.socket.write('x'.repeat(2_000));
    await far.until(({ text }) => text.length === 2_000);
    // All but the last slice of 200 bytes must have been waited for.
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(175);
  });

  it('holds everything, farewells too, and lets it go afterwards', async () => {
    const { near, far, proxy } = await through();
    proxy.set({ kind: 'hold' });
    near.socket.write('held');
    near.socket.end();
    // A second connection that is not held shows that time has passed for both.
    const other = dial(proxy);
    const connection = await proxy.nextConnection();
    connection.set({ kind: 'pass' });
    other.socket.write('x');
    other.socket.end();
    await comesTrue(() => connection.passed.up === 1);
    expect([far.text, far.events]).toEqual(['', []]);
    proxy.heal();
    await far.hears('held');
    await far.until(({ events }) => events.includes('end'));
    far.socket.end();
  });

  it('swallows one direction, and resets the connection when it heals', async () => {
    const { near, far, proxy, connection } = await through();
    connection.set({ kind: 'swallow' }, 'down');
    near.socket.write('question');
    await far.hears('question');
    far.socket.write('answer');
    await comesTrue(() => connection.swallowed.down === 6);
    proxy.heal();
    await near.until(({ events }) => events.includes('close'));
    await far.until(({ events }) => events.includes('close'));
    expect(near.text).toBe('');
    expect(near.events).toContain('ECONNRESET');
    expect(far.events).toContain('ECONNRESET');
    expect(connection.isOpen).toBe(false);
    expect(proxy.connections).toEqual([]);
  });

  it('leaves the far end half-open when the near one dies in a black hole', async () => {
    const { near, far, proxy, connection } = await through();
    proxy.set({ kind: 'swallow' });
    near.socket.resetAndDestroy();
    far.socket.write('is anybody there');
    await comesTrue(() => connection.swallowed.down === 16);
    expect(far.events).toEqual([]);
    expect(connection.isOpen).toBe(true);
    proxy.heal();
    await far.until(({ events }) => events.includes('ECONNRESET'));
  });

  it('goes on after a black hole in which nothing was said', async () => {
    const { near, far, proxy } = await through();
    proxy.set({ kind: 'swallow' });
    proxy.heal();
    near.socket.write('still here');
    await far.hears('still here');
  });

  it('does to connections to come what was set for all', async () => {
    const { proxy, near } = await through();
    proxy.set({ kind: 'swallow' }, 'up');
    const accepted = proxy.nextConnection();
    const later = dial(proxy);
    later.socket.write('gone');
    const connection = await accepted;
    await comesTrue(() => connection.swallowed.up === 4);
    near.socket.write('gone too');
    await comesTrue(() => proxy.connections[0]?.swallowed.up === 8);
    expect(proxy.passed).toEqual({ up: 0, down: 0 });
  });

  it('does to one connection what the others do not feel', async () => {
    const server = await listen();
    const proxy = await proxyTo(server.target);
    const [firstArrival, firstAccepted] = [server.next(), proxy.nextConnection()];
    dial(proxy);
    const [far, first] = [await firstArrival, await firstAccepted];
    const arrival = server.next();
    const near = dial(proxy);
    const second = await arrival;
    first.reset();
    await far.until(({ events }) => events.includes('ECONNRESET'));
    near.socket.write('whole');
    await second.hears('whole');
    expect(proxy.connections.map(({ id }) => id)).toEqual([2]);
  });

  it('closes one direction and leaves the other', async () => {
    const { near, far, connection } = await through();
    connection.halfClose('down');
    await near.until(({ events }) => events.includes('end'));
    far.socket.write('nobody hears this');
    near.socket.write('you hear me');
    await far.hears('you hear me');
    expect(near.text).toBe('');
    expect(far.events).toEqual([]);
  });

  it('passes a reset on', async () => {
    const { near, far } = await through();
    far.socket.resetAndDestroy();
    await near.until(({ events }) => events.includes('close'));
    expect(near.events).toContain('ECONNRESET');
  });

  it('refuses new connections while it is told to', async () => {
    const { proxy, near, far } = await through();
    proxy.refuse(true);
    const refused = dial(proxy);
    await refused.until(({ events }) => events.includes('close'));
    near.socket.write('untouched');
    await far.hears('untouched');
    proxy.heal();
    const arrival = proxy.nextConnection();
    dial(proxy);
    expect((await arrival).isOpen).toBe(true);
    expect(proxy.acceptedCount).toBe(2);
  });

  it('tries the next target when one refuses, and resets when none is left', async () => {
    const gone = await listen();
    await closers.pop()?.();
    const server = await listen();
    const targets = [gone.target, server.target];
    const proxy = await proxyTo((attempt) => targets[attempt] ?? null);
    const arrival = server.next();
    dial(proxy).socket.write('found');
    await (await arrival).hears('found');
    targets.length = 1;
    const lost = dial(proxy);
    await lost.until(({ events }) => events.includes('close'));
  });
});
