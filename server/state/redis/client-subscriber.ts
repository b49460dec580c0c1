import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, ConnectionSettings } from './client-connection.ts';
import { replyCode, toError, unavailable } from './client-errors.ts';
import { RedisLink } from './client-link.ts';
import type { MessageListener, RedisAddress, RedisSubscriber } from './client-types.ts';

const SUBSCRIBE_DEADLINE_MS = 2000;

/** Which connection hears which channel. */
export interface Placement {
  readonly isSharded: boolean;
  /** The place of a channel; channels of one place share a connection. Null while that is unknown. */
  placeOf(channel: string): string | null;
  find(place: string): Promise<RedisAddress>;
  /** Something does not fit: look again where the places are. */
  refresh(): void;
  /** Told when places may have changed. */
  onChange(listener: () => void): () => void;
}

export interface SubscriberHooks {
  onClosed: () => void;
  /** After every connection that was made anew. */
  onReconnect: () => void;
}

interface Wanted {
  readonly channel: string;
  listener: MessageListener;
  /** Null while nobody knows where it belongs. */
  ear: Ear | null;
  /** Whether it was ever heard: then messages are missed until it is again. */
  wasHeard: boolean;
}

/** One connection of a subscriber, and what it is for. */
interface Ear {
  readonly place: string;
  readonly link: RedisLink;
  readonly wanted: Set<Wanted>;
  /** Those that it does not hear yet. Kept apart: with 10,000 channels a look at all for each new one takes seconds. */
  readonly missing: Set<Wanted>;
  /** Subscribing and unsubscribing take turns, so that the last wish for a channel is the one that stands. */
  turn: Promise<void>;
}

/** Keeps what is wanted apart from what stands, and works on the difference whenever a connection is there. */
export class Subscriber implements RedisSubscriber {
  readonly #placement: Placement;
  readonly #settings: ConnectionSettings;
  readonly #hooks: SubscriberHooks;
  readonly #wanted = new Map<string, Wanted>();
  readonly #ears = new Map<string, Ear>();
  readonly #resubscribed = new Set<(channels: readonly string[]) => void>();
  readonly #closing = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #stopWatching: () => void;

  constructor(placement: Placement, settings: ConnectionSettings, hooks: SubscriberHooks) {
    this.#placement = placement;
    this.#settings = settings;
    this.#hooks = hooks;
    this.#stopWatching = placement.onChange(() => this.#place(this.#wanted.values()));
  }

  async subscribe(channels: readonly string[], listener: MessageListener): Promise<void> {
    if (this.#closing.signal.aborted) throw unavailable(new Error('The subscriber is closed'));
    const asked = channels.map((channel) => {
      const known = this.#wanted.get(channel);
      if (known !== undefined) known.listener = listener;
      const wanted = known ?? { channel, listener, ear: null, wasHeard: false };
      this.#wanted.set(channel, wanted);
      return wanted;
    });
    this.#place(asked);
    await this.#heard(asked);
  }

  unsubscribe(channels: readonly string[]): void {
    for (const channel of channels) {
      const wanted = this.#wanted.get(channel);
      this.#wanted.delete(channel);
      if (wanted !== undefined) this.#leave(wanted);
    }
    this.#closeUnused();
  }

  isReady(): boolean {
    return [...this.#wanted.values()].every((wanted) => isHeard(wanted));
  }

  onResubscribed(listener: (channels: readonly string[]) => void): () => void {
    this.#resubscribed.add(listener);
    return () => void this.#resubscribed.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopWatching();
    this.#hooks.onClosed();
    await Promise.all([...this.#ears.values()].map(({ link }) => link.close()));
  }

  /** Puts each where it belongs by now. */
  #place(channels: Iterable<Wanted>): void {
    if (this.#closing.signal.aborted) return;
    const touched = new Set<Ear>();
    for (const wanted of channels) {
      const place = this.#placement.placeOf(wanted.channel);
      if (place !== null && place !== wanted.ear?.place) {
        this.#leave(wanted);
        wanted.ear = this.#earAt(place);
        wanted.ear.wanted.add(wanted);
        wanted.ear.missing.add(wanted);
      }
      if (wanted.ear !== null && !isHeard(wanted)) touched.add(wanted.ear);
    }
    for (const ear of touched) this.#flush(ear);
    this.#closeUnused();
  }

  #leave(wanted: Wanted): void {
    const { ear, channel } = wanted;
    if (ear === null) return;
    const wasMissing = ear.missing.delete(wanted);
    ear.wanted.delete(wanted);
    wanted.ear = null;
    if (wasMissing) return;
    this.#takeTurn(ear, async (connection) => {
      // Wanted again meanwhile: then it is heard, by the subscription that came after.
      if (this.#wanted.get(channel)?.ear === ear) return;
      await connection.unsubscribe([channel], this.#placement.isSharded);
    });
  }

  /** A single server's connection stays for the next channel. */
  #closeUnused(): void {
    if (!this.#placement.isSharded) return;
    for (const ear of this.#ears.values()) {
      if (ear.wanted.size > 0) continue;
      this.#ears.delete(ear.place);
      void ear.link.close();
    }
  }

  #earAt(place: string): Ear {
    const known = this.#ears.get(place);
    if (known !== undefined) return known;
    const link = new RedisLink({
      settings: this.#settings,
      find: () => this.#placement.find(place),
      prepare: async (connection) => {
        deafen(ear);
        connection.onChannelMoved((channel) => this.#movedAway(channel, ear));
        await this.#hearAll(ear, connection);
      },
      // What was wanted while the connection was prepared.
      onUp: (_primary, isAnew) => {
        if (isAnew) this.#hooks.onReconnect();
        this.#flush(ear);
      },
      onDown: () => {
        deafen(ear);
        this.#placement.refresh();
      },
    });
    const ear: Ear = { place, link, wanted: new Set(), missing: new Set(), turn: Promise.resolve() };
    this.#ears.set(place, ear);
    link.start();
    return ear;
  }

  #flush(ear: Ear): void {
    if (ear.link.isUp && ear.missing.size > 0) this.#takeTurn(ear, (connection) => this.#hearAll(ear, connection));
  }

  #takeTurn(ear: Ear, work: (connection: Connection) => Promise<void>): void {
    ear.turn = ear.turn
      .then(() => (ear.link.isUp ? work(ear.link.connection) : undefined))
      // A new connection begins with what is wanted by then.
      .catch((error: unknown) => ear.link.drop(toError(error)));
  }

  async #hearAll(ear: Ear, connection: Connection): Promise<void> {
    while (ear.missing.size > 0) {
      const missing = [...ear.missing];
      const channels = missing.map(({ channel }) => channel);
      try {
        await connection.subscribe(channels, this.#placement.isSharded, (message, channel) =>
          this.#wanted.get(channel)?.listener(message, channel),
        );
      } catch (error) {
        if (['MOVED', 'CLUSTERDOWN'].includes(replyCode(error))) this.#placement.refresh();
        throw error;
      }
      if (!connection.isOpen) return;
      this.#nowHeard(ear, missing);
    }
  }

  #nowHeard(ear: Ear, channels: readonly Wanted[]): void {
    const again: string[] = [];
    for (const wanted of channels) {
      if (!ear.missing.delete(wanted)) {
        // Not wanted any more, or elsewhere: it was subscribed to all the same.
        this.#takeTurn(ear, async (connection) => {
          if (this.#wanted.get(wanted.channel)?.ear === ear) return;
          await connection.unsubscribe([wanted.channel], this.#placement.isSharded);
        });
        continue;
      }
      if (wanted.wasHeard) again.push(wanted.channel);
      wanted.wasHeard = true;
    }
    for (const tell of this.#waiting) tell();
    if (again.length > 0) for (const listener of this.#resubscribed) listener(again);
  }

  #movedAway(channel: string, ear: Ear): void {
    const wanted = this.#wanted.get(channel);
    if (wanted?.ear !== ear) return;
    ear.missing.add(wanted);
    this.#placement.refresh();
    this.#flush(ear);
  }

  /** Resolves when the channels are heard, or not wanted any more. */
  async #heard(channels: readonly Wanted[]): Promise<void> {
    const unheard = () => channels.find((wanted) => !isHeard(wanted) && this.#wanted.get(wanted.channel) === wanted);
    if (unheard() === undefined) return;
    const late = new AbortController();
    const signal = AbortSignal.any([late.signal, this.#closing.signal]);
    let look: () => void = () => undefined;
    const allHeard = new Promise<void>((resolve) => {
      look = () => {
        if (unheard() === undefined) resolve();
      };
    });
    this.#waiting.add(look);
    try {
      // A delay that was cut short has done its work.
      await Promise.race([allHeard, delay(SUBSCRIBE_DEADLINE_MS, undefined, { signal }).catch(() => undefined)]);
    } finally {
      late.abort();
      this.#waiting.delete(look);
    }
    const first = unheard();
    if (first === undefined) return;
    throw unavailable(first.ear?.link.failure ?? new Error(`No server is known for the channel ${first.channel}`));
  }
}

function isHeard(wanted: Wanted): boolean {
  return wanted.ear !== null && !wanted.ear.missing.has(wanted);
}

function deafen(ear: Ear): void {
  for (const wanted of ear.wanted) ear.missing.add(wanted);
}
