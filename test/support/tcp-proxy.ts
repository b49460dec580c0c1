import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Lane } from './tcp-lane.ts';
import type { Traffic } from './tcp-lane.ts';

export type { Traffic } from './tcp-lane.ts';

/** `up`: from whoever connected towards the target; `down`: back. */
export type Direction = 'up' | 'down';

export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** Where connection `attempt` (0, 1, 2 …) of an accepted socket goes; null when there is nowhere left to try. */
export type ChooseTarget = (attempt: number) => Target | null;

/** One connection through the proxy. */
export interface ProxiedConnection {
  /** 1, 2, 3 … in the order in which the proxy accepted them. */
  readonly id: number;
  /** Bytes that were passed on, in each direction. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** Bytes that were swallowed, in each direction. */
  readonly swallowed: Readonly<Record<Direction, number>>;
  readonly isOpen: boolean;
  /** The port from which the target sees it, as servers list their clients; null until it is connected over TCP. */
  readonly farPort: number | null;
  /** Both directions unless one is named. A connection that lost bytes can't go on: any other traffic resets it. */
  set(traffic: Traffic, direction?: Direction): void;
  /** The end that this direction leads to is told that nothing more comes; the other way goes on. */
  halfClose(direction: Direction): void;
  /** Both ends get a TCP reset. */
  reset(): void;
}

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Those that are open now, oldest first. */
  readonly connections: readonly ProxiedConnection[];
  /** How many were ever accepted. */
  readonly acceptedCount: number;
  /** Bytes passed on, over all connections there ever were. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** Every connection, those to come included; both directions unless one is named. */
  set(traffic: Traffic, direction?: Direction): void;
  /** While it refuses, a new connection is reset as soon as it is there. */
  refuse(isRefusing: boolean): void;
  /** Everything passes again. Connections that lost bytes are reset. */
  heal(): void;
  /** Resets every connection of the moment. */
  reset(): void;
  /** Resolves with the next connection that is accepted. */
  nextConnection(): Promise<ProxiedConnection>;
  close(): Promise<void>;
}

const PASS: Traffic = { kind: 'pass' };
const DIRECTIONS = ['up', 'down'] as const;

/**
 * Stands between any two parts that speak TCP (or to a Unix socket as the target) and does to their bytes what a network
 * can do. `choose` may name another target for each connection, and is asked again when a target refuses: a balancer.
 */
export async function startTcpProxy(target: Target | ChooseTarget): Promise<TcpProxy> {
  const choose = typeof target === 'function' ? target : (attempt: number) => (attempt === 0 ? target : null);
  const traffic: Record<Direction, Traffic> = { up: PASS, down: PASS };
  const open = new Set<Connection>();
  const waiting = new Set<(connection: ProxiedConnection) => void>();
  const finished: Record<Direction, number> = { up: 0, down: 0 };
  let acceptedCount = 0;
  let isRefusing = false;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    if (isRefusing) {
      near.on('error', () => undefined);
      near.resetAndDestroy();
      return;
    }
    acceptedCount += 1;
    const connection = new Connection(acceptedCount, near, choose, () => {
      open.delete(connection);
      for (const direction of DIRECTIONS) finished[direction] += connection.passed[direction];
    });
    open.add(connection);
    for (const direction of DIRECTIONS) connection.set(traffic[direction], direction);
    connection.start();
    for (const take of waiting) take(connection);
    waiting.clear();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { address, port } = server.address() as AddressInfo; // A listening TCP server has one.

  const set = (wanted: Traffic, direction?: Direction): void => {
    for (const each of DIRECTIONS) if (direction === undefined || direction === each) traffic[each] = wanted;
    for (const connection of [...open]) connection.set(wanted, direction);
  };
  return {
    host: address,
    port,
    get connections() {
      return [...open];
    },
    get acceptedCount() {
      return acceptedCount;
    },
    get passed() {
      const sum = (direction: Direction) =>
        [...open].reduce((total, { passed }) => total + passed[direction], finished[direction]);
      return { up: sum('up'), down: sum('down') };
    },
    set,
    refuse: (refusing) => {
      isRefusing = refusing;
    },
    heal: () => {
      isRefusing = false;
      set(PASS);
    },
    reset: () => {
      for (const connection of [...open]) connection.reset();
    },
    nextConnection: () => new Promise((resolve) => waiting.add(resolve)),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const connection of [...open]) connection.reset();
      await closed;
    },
  };
}

class Connection implements ProxiedConnection {
  readonly id: number;
  readonly #near: Socket;
  readonly #choose: ChooseTarget;
  readonly #onClosed: () => void;
  readonly #lanes: Record<Direction, Lane>;
  #far: Socket | null = null;
  #isOpen = true;

  constructor(id: number, near: Socket, choose: ChooseTarget, onClosed: () => void) {
    this.id = id;
    this.#near = near;
    this.#choose = choose;
    this.#onClosed = onClosed;
    const end = (): void => this.reset();
    this.#lanes = { up: new Lane(end), down: new Lane(end) };
    this.#lanes.up.readFrom(near);
    this.#lanes.down.writeTo(near);
    near.on('close', () => this.#onEndClosed());
  }

  start(): void {
    this.#dial(0);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get farPort(): number | null {
    return this.#far?.localPort ?? null;
  }

  get passed(): Record<Direction, number> {
    return { up: this.#lanes.up.passedBytes, down: this.#lanes.down.passedBytes };
  }

  get swallowed(): Record<Direction, number> {
    return { up: this.#lanes.up.swallowedBytes, down: this.#lanes.down.swallowedBytes };
  }

  set(traffic: Traffic, direction?: Direction): void {
    for (const each of DIRECTIONS) if (direction === undefined || direction === each) this.#lanes[each].set(traffic);
  }

  halfClose(direction: Direction): void {
    this.#lanes[direction].finish();
  }

  reset(): void {
    for (const lane of Object.values(this.#lanes)) lane.stop();
    this.#far?.resetAndDestroy();
    this.#near.resetAndDestroy();
    this.#finish();
  }

  /** Tries one target after the other until one accepts. */
  #dial(attempt: number): void {
    const target = this.#choose(attempt);
    if (target === null) {
      this.reset();
      return;
    }
    const far = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#far = far;
    const onRefused = (): void => {
      if (this.#isOpen) this.#dial(attempt + 1);
    };
    far.once('error', onRefused);
    far.once('connect', () => {
      far.off('error', onRefused);
      far.on('close', () => this.#onEndClosed());
      this.#lanes.down.readFrom(far);
      this.#lanes.up.writeTo(far);
      if (!this.#isOpen) far.resetAndDestroy();
    });
  }

  #onEndClosed(): void {
    if (this.#near.destroyed && this.#far?.destroyed !== false) this.#finish();
  }

  #finish(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClosed();
  }
}
