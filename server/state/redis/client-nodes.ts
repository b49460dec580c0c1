import { Connection, type ConnectionSettings } from './client-connection.ts';
import { toError } from './client-errors.ts';
import { RedisLink } from './client-link.ts';
import { addressOf, ownersFrom, slotOf } from './client-slots.ts';
import type { RedisAddress, RedisPrimary } from './client-types.ts';

/** How old the map may be when nothing points to a change, and how long between looks while something is missing. */
const CALM_MS = 5000;
const TROUBLED_MS = 400;

interface NodesOptions {
  readonly settings: ConnectionSettings;
  readonly seeds: readonly RedisAddress[];
  readonly onUp: (primary: RedisPrimary, isAnew: boolean) => void;
  /** Called when a link or the map changed: `isWhole` may be another. */
  readonly onChange: () => void;
}

/** The primaries of a cluster: which slots each owns, and a link to each. */
export class ClusterNodes {
  readonly #options: NodesOptions;
  readonly #links = new Map<string, RedisLink>();
  readonly #closed: Promise<void>[] = [];
  #owners: (string | null)[] = [];
  #failure = new Error('No node of the Redis Cluster was reached yet');
  #timer: NodeJS.Timeout | null = null;
  #refreshing: Promise<void> | null = null;
  #isClosing = false;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  start(): void {
    this.refresh();
  }

  /** Why it is not whole. */
  get failure(): Error {
    return [...this.#links.values()].find((link) => !link.isUp)?.failure ?? this.#failure;
  }

  /** Whether every slot has an owner that can be asked. */
  get isWhole(): boolean {
    if (this.#owners.length === 0) return false;
    return [...new Set(this.#owners)].every((owner) => owner !== null && this.#links.get(owner)?.isUp === true);
  }

  get links(): readonly RedisLink[] {
    return [...this.#links.values()];
  }

  /** The owner of a key's slot; null while that is unknown. */
  placeOf(key: string): string | null {
    return this.#owners[slotOf(key)] ?? null;
  }

  /** A link to a node, made when there is none: a redirection may lead to one that the map does not know. */
  link(place: string): RedisLink {
    const known = this.#links.get(place);
    if (known !== undefined) return known;
    const link = new RedisLink({
      settings: this.#options.settings,
      find: () => Promise.resolve(addressOf(place)),
      onUp: (primary, isAnew) => {
        this.#options.onUp(primary, isAnew);
        this.#changed();
      },
      onDown: () => {
        this.#changed();
        this.refresh();
      },
    });
    this.#links.set(place, link);
    link.start();
    return link;
  }

  /** Takes a node's word that another one owns the slot of this key, until the map says so too. */
  moved(key: string, place: string): void {
    this.#owners[slotOf(key)] = place;
    this.#changed();
    this.refresh();
  }

  /** Looks at the map soon. */
  refresh(): void {
    if (this.#isClosing) return;
    this.#refreshing ??= this.#lookAround().finally(() => {
      this.#refreshing = null;
      if (this.#isClosing) return;
      if (this.#timer !== null) clearTimeout(this.#timer);
      // With jitter, so that instances take turns.
      const pause = (this.isWhole ? CALM_MS : TROUBLED_MS) * (0.75 + Math.random() / 2);
      this.#timer = setTimeout(() => this.refresh(), pause).unref();
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#refreshing;
    await Promise.all([...this.#closed, ...this.links.map((link) => link.close())]);
  }

  async #lookAround(): Promise<void> {
    const up = shuffled(this.links.filter((link) => link.isUp));
    for (const link of up) if (await this.#ask(() => Promise.resolve(link.connection))) return;
    // Nobody that we know answers: perhaps somebody does that we were told of at the start.
    for (const seed of shuffled(this.#options.seeds)) {
      if (this.#isClosing) return;
      let opened: Connection | null = null;
      const open = async () => (opened = await Connection.open(seed, this.#options.settings));
      const isDone = await this.#ask(open);
      (opened as Connection | null)?.end(new Error('The node was asked'));
      if (isDone) return;
    }
  }

  async #ask(connect: () => Promise<Connection>): Promise<boolean> {
    try {
      const connection = await connect();
      const owners = ownersFrom(await connection.send(['CLUSTER', 'SLOTS']), connection.address);
      if (owners.every((owner) => owner === null)) throw new Error('The node knows no owner of any slot');
      if (!this.#isClosing) this.#adopt(owners);
      return true;
    } catch (error) {
      this.#failure = toError(error);
      return false;
    }
  }

  #adopt(owners: (string | null)[]): void {
    this.#owners = owners;
    const places = new Set(owners);
    for (const place of places) if (place !== null) this.link(place);
    for (const [place, link] of this.#links) {
      if (places.has(place)) continue;
      this.#links.delete(place);
      this.#closed.push(link.close());
    }
    this.#changed();
  }

  #changed(): void {
    if (!this.#isClosing) this.#options.onChange();
  }
}

/** Every node gets its share of the questions. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, by: Math.random() }))
    .toSorted((one, other) => one.by - other.by)
    .map(({ item }) => item);
}
