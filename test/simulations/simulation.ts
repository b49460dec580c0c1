/**
 * The domain over the in-process state, with a clock, a database and a network that move only when a seed says so. Any
 * two steps may have a crash between them: then nothing is left but what the database has done.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Invariant } from '../faults/verdict.ts';
import { Recorder } from '../../server/state/memory/recorder.conformance.ts';
import { Random } from '../support/random.ts';
import { Board } from './board.ts';
import { SimulatedClient } from './simulated-client.ts';
import { judge, tenanciesOf } from './simulation-verdict.ts';
import { SimulatedServer } from './simulated-server.ts';
import type { Mutation } from './mutation.ts';
import { SteppedStore } from './stepped-store.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');
const CLIENTS = 4;
const STEPS = 100;
const MOST_HEALING = 600;

export interface SimulationResult {
  /** Each step of the run, in order: equal for equal seeds. */
  readonly trace: readonly string[];
  /** What is wrong, with the invariant in front where one says it. */
  readonly findings: readonly string[];
  readonly broken: readonly Invariant[];
  readonly counts: { readonly steps: number; readonly crashes: number; readonly acknowledged: number };
}

export async function simulate(seed: number, mutation: Mutation = {}): Promise<SimulationResult> {
  const simulation = new Simulation(seed, mutation);
  await simulation.run();
  return simulation.judge();
}

class Simulation {
  readonly #random: Random;
  readonly #mutation: Mutation;
  readonly #recorder = new Recorder();
  readonly #clients: SimulatedClient[];
  readonly #board: Board;
  readonly #trace: string[] = [];
  readonly #complaints: string[] = [];
  #store: SteppedStore;
  #server: SimulatedServer;
  #now = START;
  #ids = 0;
  #ticks = 0;
  #crashes = 0;
  /** Of this run: some have a database that never fails, some one that fails often. */
  readonly #faultRate: number;

  constructor(seed: number, mutation: Mutation) {
    this.#random = new Random(seed);
    this.#mutation = mutation;
    this.#faultRate = this.#random.pick([0, 0.05, 0.15]);
    this.#board = new Board(() => (this.#ticks += 1));
    this.#clients = Array.from(
      { length: CLIENTS },
      (_, index) => new SimulatedClient(`client-${index}`, this.#board, index > 0),
    );
    this.#store = new SteppedStore(this.#recorder);
    this.#server = this.#boot();
  }

  async run(): Promise<void> {
    await this.#started();
    for (let step = 0; step < STEPS; step += 1) {
      this.#trace.push(await this.#step());
      // Whatever follows from the step happens before the next one; what takes longer waits for a step of its own.
      await turn();
    }
    await this.#heal();
  }

  async #step(): Promise<string> {
    const random = this.#random;
    const dice = random.next();
    if (dice < 0.015) return this.#crash();
    if (dice < 0.03) return this.#pass();
    if (dice < 0.05) {
      void this.#server.sweep().catch(() => undefined); // A store that is away: the next sweep finds it again.
      return 'sweep';
    }
    if (dice < 0.07) {
      void this.#server.announceHeads();
      return 'heads';
    }
    if (dice < 0.09 && this.#server.lostSeats > 0) {
      void this.#server.noteLost();
      return 'a lost connection is noticed';
    }
    if (dice < 0.1) {
      const client = random.pick(this.#clients);
      if (client.link !== null) return this.#cut(client);
    }
    return (await this.#progress()) ?? 'nothing to do';
  }

  /** Something that is under way goes on, or a client begins something. */
  async #progress(): Promise<string | null> {
    const random = this.#random;
    const first = random.below(CLIENTS);
    const clients = [...this.#clients.slice(first), ...this.#clients.slice(0, first)];
    const ways: (() => string | null | Promise<string | null>)[] = [
      () => this.#store.step(random, this.#faultRate),
      () => firstOf(clients, (client) => (this.#up(client) ? `${client.name} is heard` : null)),
      () => firstOf(clients, (client) => this.#down(client)),
      () => firstOf(clients, (client) => this.#act(client)),
    ];
    const begin = random.below(ways.length);
    for (let tried = 0; tried < ways.length; tried += 1) {
      const done = await ways[(begin + tried) % ways.length]?.();
      if (typeof done === 'string') return done;
    }
    return null;
  }

  #act(client: SimulatedClient): string | null {
    const before = client.link;
    const done = client.act(this.#random);
    if (before === null && client.link !== null) this.#server.accept(client.link);
    return done === null ? null : `${client.name}: ${done}`;
  }

  #up({ link }: SimulatedClient): boolean {
    if (link === null || link.isEnded) return false;
    const request = link.up.shift();
    if (request === undefined) return false;
    void this.#server.take(link, request);
    return true;
  }

  #down(client: SimulatedClient): string | null {
    const { link } = client;
    if (link === null) return null;
    const packet = link.down.shift();
    if (packet !== undefined) {
      const told = `${client.name} is told ${client.receive(packet)}`;
      // Who was refused the handshake, or has no seat any more, begins with a connection of its own.
      const isRefused = packet.kind === 'refusal' && / told (resume|\w+ NOT_IN_SESSION)/.test(told);
      if (isRefused) this.#disconnect(client);
      return told;
    }
    if (!link.isEnded) return null;
    this.#disconnect(client);
    return `${client.name} is told the end of its connection`;
  }

  #cut(client: SimulatedClient): string {
    this.#disconnect(client);
    return `${client.name} loses its connection`;
  }

  #disconnect(client: SimulatedClient): void {
    if (client.link !== null) this.#server.drop(client.link);
    client.disconnected();
  }

  #pass(): string {
    const ms = Math.floor(this.#random.next() ** 6 * 1_000_000);
    this.#now += ms;
    return `${ms} ms pass`;
  }

  /** The process ends as by `kill -9`, and another starts on what the database has. */
  async #crash(): Promise<string> {
    this.#crashes += 1;
    const { faults } = this.#server;
    this.#complaints.push(...faults.map(String));
    const what = await this.#store.crash(this.#random);
    for (const client of this.#clients) {
      // Some of what was on its way still arrives.
      while (client.link !== null && client.link.down.length > 0 && this.#random.next() < 0.5) this.#down(client);
      client.disconnected();
    }
    this.#store = new SteppedStore(this.#recorder);
    this.#server = this.#boot();
    await this.#started();
    return `crash: ${what}`;
  }

  #boot(): SimulatedServer {
    return new SimulatedServer({
      durable: this.#store.durable(),
      now: () => this.#now,
      newId: () => `00000000-0000-7000-8000-${String((this.#ids += 1)).padStart(12, '0')}`,
      mutation: this.#mutation,
    });
  }

  async #started(): Promise<void> {
    const started = this.#server.start();
    await this.#store.drain();
    await started;
  }

  /** Nothing fails any more, and everybody does what brings things to an end. */
  async #heal(): Promise<void> {
    for (let round = 0; round < MOST_HEALING; round += 1) {
      await this.#store.drain();
      void this.#server.noteLost();
      void this.#server.sweep().catch(() => undefined); // As above.
      void this.#server.announceHeads();
      for (const client of this.#clients) {
        const before = client.link;
        client.persist();
        if (before === null && client.link !== null) this.#server.accept(client.link);
        while (this.#up(client));
        await turn();
        await this.#store.drain();
        await turn();
        while (this.#down(client) !== null);
      }
      if (this.#isQuiet()) return;
    }
    const busy = this.#clients.filter(({ isQuiet }) => !isQuiet).map(({ name }) => name);
    this.#complaints.push(`not quiet in the end: ${busy.join(', ')}`);
  }

  #isQuiet(): boolean {
    if (this.#store.waiting > 0 || this.#server.lostSeats > 0) return false;
    return this.#clients.every(
      ({ isQuiet, link }) => isQuiet && (link === null || (link.up.length === 0 && link.down.length === 0)),
    );
  }

  /** Also reads, of the server that is left and of the database, all there is to read. */
  async judge(): Promise<SimulationResult> {
    const { findings, broken, acknowledged } = await judge({
      clients: this.#clients,
      server: this.#server,
      recorder: this.#recorder,
      board: this.#board,
      now: this.#now,
      reading: (read) => this.#reading(read),
    });
    const faults = this.#server.faults.map(String);
    const counts = { steps: this.#trace.length, crashes: this.#crashes, acknowledged };
    const entries = this.#clients
      .flatMap(tenanciesOf)
      .flatMap(({ record }) => record.entries.map((entry) => JSON.stringify(entry)));
    return {
      trace: [...this.#trace, ...entries],
      findings: [...findings, ...this.#complaints, ...faults],
      broken,
      counts,
    };
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    const done = new AbortController();
    const reading = read().finally(() => done.abort());
    while (!done.signal.aborted) {
      await this.#store.drain();
      await turn();
    }
    return reading;
  }
}

function firstOf(clients: readonly SimulatedClient[], act: (client: SimulatedClient) => string | null): string | null {
  for (const client of clients) {
    const done = act(client);
    if (done !== null) return done;
  }
  return null;
}
