import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../../../protocol/session.ts';
import { Api, sha256Of } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import type { Random } from '../../support/random.ts';
import { resumeOf } from '../../support/seat.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import type { Direction, TcpProxy } from '../../support/tcp-proxy.ts';
import type { Arena } from '../arena.ts';
import type { Pair, Placed } from '../clients.ts';
import { sumMetric } from '../metric.ts';
import { RemoteRecorder } from '../remote-recorder.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { shuffled } from '../schedule.ts';
import { connected, connectedTo } from './connected.ts';

const KEY = 'the-api-key-of-this-scenario';
const AWAY_WITHIN_MS = 25_000;
const SLEEP_MS = 120_000;
/** A client that is still pinged, and whose pongs are lost, hears of it from its own clock: 20 s after the last ping. */
const NOTICED_WITHIN_MS = 30_000;
const BACK_WITHIN_MS = 10_000;
const LOOK_MS = 200;
/** What is not there by then does not come. */
const PATIENCE_MS = 60_000;

export const f12: Scenario = {
  name: 'F12',
  what: 'connections go half open, a network becomes a black hole, a device sleeps (2 min in a long run), and all come back',
  hotStates: ['redis', 'sentinel', 'cluster'],
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    return { ...usual, perSecond: 60, env: { ...usual.env, API_KEYS: `shop:${sha256Of(KEY)}` } };
  },
  async run(arena, random, { isLong }) {
    const [up, down, both, hole] = shuffled(arena.clients.pairs, random);
    if (up === undefined || down === undefined || both === undefined || hole === undefined)
      throw new Error('this fault needs four pairs');
    const kind = random.pick(['stock', 'library'] as const);
    const remote: { recorder?: RemoteRecorder } = {};
    const pair = await arena.clients.addGuest(async (...how) => {
      remote.recorder = await RemoteRecorder.open(kind, ...how);
      return remote.recorder;
    });
    if (remote.recorder === undefined) throw new Error('nobody is there to sleep');
    arena.hush();
    arena.talk();
    await arena.served();
    await arena.acknowledgements(1 + random.below(60));
    const twins = await Twins.open(arena);
    try {
      await Promise.all([
        halfOpen(arena, someoneOf(up, random), 'up'),
        halfOpen(arena, someoneOf(down, random), 'down'),
        halfOpen(arena, someoneOf(both, random)),
        blackHole(arena, hole, someoneOf(hole, random)),
        sleep(arena, pair, remote.recorder, isLong ? SLEEP_MS : 0),
        twins.demandOne(arena),
      ]);
      await arena.served();
      await demandNoGhost(arena, arena.clients.recorders.length + twins.count);
      arena.figures.push(`who slept was a ${kind} client`);
    } finally {
      await twins.close();
    }
  },
};

function someoneOf({ host, guest }: Pair, random: Random): Placed {
  return random.pick([host, guest]);
}

/** What the connections of the moment carry disappears, in one direction or in both; new ones pass. */
async function halfOpen(arena: Arena, { recorder, network }: Placed, direction?: Direction): Promise<void> {
  const before = network.acceptedCount;
  const since = performance.now();
  recorder.noteNetwork(true);
  for (const connection of network.connections) connection.set({ kind: 'swallow' }, direction);
  await eventually(() => {
    if (network.acceptedCount > before && recorder.isOnline) return Promise.resolve();
    return Promise.reject(new Error(`${recorder.record.client} is not back`));
  }, PATIENCE_MS);
  recorder.noteNetwork(false);
  const tookMs = Math.round(performance.now() - since);
  const what = `a ${recorder.record.kind} client whose connection lost ${direction ?? 'both directions'}`;
  // It has to be noticed first, by one of the two ends.
  arena.demand(tookMs <= NOTICED_WITHIN_MS + BACK_WITHIN_MS, () => `${what} was back after ${tookMs} ms`);
  arena.figures.push(`${what} was back after ${tookMs} ms`);
}

/** Nothing of this client passes any more, until it is away; then everything does. */
async function blackHole(arena: Arena, pair: Pair, { recorder, network }: Placed): Promise<void> {
  const since = performance.now();
  recorder.noteNetwork(true);
  network.set({ kind: 'swallow' });
  await demandAway(arena, pair, recorder.participantId, since);
  network.heal();
  recorder.noteNetwork(false);
  await demandComplete(arena, pair, recorder);
}

async function sleep(arena: Arena, pair: Pair, recorder: RemoteRecorder, sleepMs: number): Promise<void> {
  await eventually(() =>
    recorder.isOnline && recorder.completeSeq > 0 ? Promise.resolve() : Promise.reject(new Error('it is not there')),
  );
  const since = performance.now();
  const knownSeq = recorder.completeSeq;
  recorder.sleep();
  try {
    await demandAway(arena, pair, recorder.participantId, since);
    await delay(Math.max(0, sleepMs - (performance.now() - since)));
  } finally {
    recorder.wake();
  }
  const wokeAt = performance.now();
  const { lastSeq } = await pair.teller.head();
  arena.demand(lastSeq > knownSeq, () => 'nobody said anything to who slept');
  await demandComplete(arena, pair, recorder);
  const missed = recorder.record.entries.flatMap((entry) =>
    entry.kind === 'seen' && entry.at >= wokeAt && entry.way !== 'live' ? [entry.message.seq] : [],
  );
  // It asks for what follows what it has, and is given that.
  arena.demand(Math.min(...missed) > knownSeq, () => `who had ${knownSeq} messages was given ${Math.min(...missed)}`);
  arena.figures.push(`it slept ${Math.round(wokeAt - since)} ms, and missed ${lastSeq - knownSeq} messages`);
}

async function demandAway(arena: Arena, { sessionId }: Pair, participantId: string, since: number): Promise<void> {
  const [instance] = arena.deployment.instances;
  const api = new Api(instance?.server.url ?? '');
  await eventually(async () => {
    const { session } = await api.ok<{ session: Session }>('GET', `/api/v1/sessions/${sessionId}`, { key: KEY });
    const { presence } = session.participants.find(({ id }) => id === participantId) ?? {};
    if (presence === 'away') return;
    await delay(LOOK_MS);
    throw new Error(`${participantId} is ${String(presence)}`);
  }, PATIENCE_MS);
  const tookMs = Math.round(performance.now() - since);
  arena.demand(tookMs <= AWAY_WITHIN_MS, () => `${participantId} was away after ${tookMs} ms`);
  arena.figures.push(`away after ${tookMs} ms`);
}

/** It has everything that there was when it could come back. */
async function demandComplete(arena: Arena, { teller }: Pair, recorder: Placed['recorder']): Promise<void> {
  const since = performance.now();
  const { lastSeq } = await eventually(() => teller.head(), PATIENCE_MS);
  await eventually(() => {
    if (recorder.isOnline && recorder.completeSeq >= lastSeq) return Promise.resolve();
    return Promise.reject(new Error(`${recorder.record.client} has ${recorder.completeSeq} of ${lastSeq}`));
  }, PATIENCE_MS);
  const tookMs = Math.round(performance.now() - since);
  arena.demand(tookMs <= BACK_WITHIN_MS, () => `${recorder.record.client} had everything after ${tookMs} ms`);
  arena.figures.push(`${recorder.record.client} had everything ${tookMs} ms after it could`);
}

/** The servers hold the connections that there are, and none of those that are gone. */
async function demandNoGhost({ deployment, figures }: Arena, wanted: number): Promise<void> {
  await eventually(async () => {
    const count = (await sumMetric(deployment.instances, 'tandem_connections')).get('') ?? NaN;
    if (count !== wanted) throw new Error(`${count} connections are held, of ${wanted} that there are`);
  }, PATIENCE_MS);
  figures.push(`${wanted} connections, and none of before`);
}

/** Somebody whose connection is half open and who is back over another one before anybody notices. */
class Twins {
  /** Connections that are to be there. */
  readonly count = 2;
  readonly #host: Client;
  readonly #guests: readonly Client[];
  readonly #network: TcpProxy;

  private constructor(host: Client, guests: readonly Client[], network: TcpProxy) {
    this.#host = host;
    this.#guests = guests;
    this.#network = network;
  }

  static async open({ deployment, random }: Arena): Promise<Twins> {
    const [first, second, third] = shuffled(deployment.instances, random);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three are needed');
    const host = await connectedTo(first);
    const { session } = await host.do('session:create', {});
    const network = await startTcpProxy({ host: '127.0.0.1', port: second.server.port });
    const ghost = await connected(`http://${network.host}:${network.port}`);
    const seat = { client: ghost, ...(await ghost.do('session:join', { code: session.code ?? '' })) };
    network.set({ kind: 'swallow' });
    const twin = await connectedTo(random.pick([second, third]), { auth: resumeOf(seat) });
    await twin.next('session:resumed');
    return new Twins(host, [ghost, twin], network);
  }

  /** Nobody is told of a departure, then or when the first connection has been given up at last. */
  async demandOne(arena: Arena): Promise<void> {
    await delay(AWAY_WITHIN_MS);
    const [, twin] = this.#guests;
    await twin?.do('message:send', { id: 'said-by-the-twin', body: 1 });
    await this.#host.next('message:new', ({ id }) => id === 'said-by-the-twin');
    const told = this.#host.arrivals().filter((event) => /^session:(presence|left|closed)$/.test(event));
    arena.demand(told.length === 0, () => `the host of the twins was told ${told.join()}`);
    const { participants } = (await this.#host.do('session:get', {})).session;
    const standing = participants.map(({ presence }) => presence).join();
    arena.demand(standing === 'online,online', () => `the twins and their host are ${standing}`);
  }

  async close(): Promise<void> {
    for (const client of [this.#host, ...this.#guests]) client.close();
    await this.#network.close();
  }
}
