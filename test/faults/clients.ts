import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { ChooseTarget, Target, TcpProxy } from '../support/tcp-proxy.ts';
import type { Instance } from './instance.ts';
import { LibraryRecorder } from './library-recorder.ts';
import type { Opening, Recorder } from './recorder.ts';
import { StockRecorder } from './stock-recorder.ts';

/** A client, and its own way to the servers. */
export interface Placed {
  readonly recorder: Recorder;
  readonly network: TcpProxy;
  /** The instances that its connections went to, oldest first; unknown behind nginx. */
  readonly visited: readonly Instance[];
}

/** A session and its two participants, on different instances as long as nothing fails. */
export interface Pair {
  readonly sessionId: string;
  readonly host: Placed;
  readonly guest: Placed;
  /** The one of the two that speaks the protocol itself: it tells what the server says of the session. */
  readonly teller: StockRecorder;
}

/** How a client comes to be. */
export type OpenRecorder = (name: string, url: string, opening: Opening) => Promise<Recorder>;

const openStock: OpenRecorder = (...how) => StockRecorder.open(...how);
const openLibrary: OpenRecorder = (...how) => LibraryRecorder.open(...how);

function codeOf({ code, record }: Recorder): string {
  if (code === null) throw new Error(`${record.client} got no code`);
  return code;
}

/**
 * The clients of a run, with a balancer before the instances: each connection of a client goes to the next instance, unless
 * there is a balancer that decides.
 */
export class Clients {
  readonly pairs: Pair[] = [];
  readonly #instances: readonly Instance[];
  readonly #balancer: Target | null;
  readonly #networks: TcpProxy[] = [];

  constructor(instances: readonly Instance[], balancer: Target | null) {
    this.#instances = instances;
    this.#balancer = balancer;
  }

  get placed(): Placed[] {
    return this.pairs.flatMap(({ host, guest }) => [host, guest]);
  }

  get recorders(): Recorder[] {
    return this.placed.map(({ recorder }) => recorder);
  }

  /** Half of the hosts are stock clients, half of them use the library; their guests are of the other kind. */
  async open(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      if (index % 2 === 1) await this.#add(openLibrary, openStock);
      else await this.#add(openStock, openLibrary);
    }
  }

  /** One more pair, with a host that is a stock client and a guest of another kind. */
  async addGuest(open: OpenRecorder): Promise<Pair> {
    const pair = await this.#add(openStock, open);
    // Whoever hears the others hears it too.
    const [first] = this.recorders;
    for (const { recorder } of [pair.host, pair.guest]) recorder.onOk = (id) => first?.onOk(id);
    return pair;
  }

  async close(): Promise<void> {
    for (const recorder of this.recorders) recorder.close();
    await Promise.all(this.#networks.map((network) => network.close()));
  }

  async #add(openHost: OpenRecorder, openGuest: OpenRecorder): Promise<Pair> {
    const index = this.pairs.length;
    const name = `pair-${String(index).padStart(2, '0')}`;
    const host = await this.#place(`${name}-host`, index, openHost, { kind: 'create' });
    const { sessionId } = host.recorder.record;
    const opening = { kind: 'join', code: codeOf(host.recorder) } as const;
    const guest = await this.#place(`${name}-guest`, index + 1, openGuest, opening);
    const teller = [host.recorder, guest.recorder].find((recorder) => recorder instanceof StockRecorder);
    if (teller === undefined) throw new Error(`${name} has no stock client`);
    const pair = { sessionId, host, guest, teller };
    this.pairs.push(pair);
    return pair;
  }

  async #place(name: string, first: number, open: OpenRecorder, opening: Opening): Promise<Placed> {
    const visited: Instance[] = [];
    const network = await startTcpProxy(this.#balance(first, visited));
    this.#networks.push(network);
    const url = `http://${network.host}:${network.port}`;
    return { recorder: await open(name, url, opening), network, visited };
  }

  #balance(first: number, visited: Instance[]): ChooseTarget {
    const balancer = this.#balancer;
    if (balancer !== null) return (attempt) => (attempt === 0 ? balancer : null);
    let connection = first;
    return (attempt) => {
      if (attempt === 0) connection += 1;
      const candidates = this.#instances.filter(({ isAccepting }) => isAccepting);
      const instance = candidates[(connection - 1 + attempt) % candidates.length];
      if (instance === undefined || attempt >= candidates.length) return null;
      visited.push(instance);
      return { host: '127.0.0.1', port: instance.server.port };
    };
  }
}
