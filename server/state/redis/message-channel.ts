import { TandemError } from '../../../protocol/errors.ts';
import { closedText, idOf, isOpenText, type Delivery } from '../../sessions/message-text.ts';
import type { MessageSender } from '../../sessions/ports.ts';
import type { Redis, RedisSubscriber } from './client.ts';
import { PARTITIONS, partitionOf, type Keys } from './keys.ts';

/** A probe that is not back by then did not pass. */
const PROBE_MS = 1500;
/** A word that did not go out is said again so much later, until it does. */
const TELL_AGAIN_MS = 500;

const PACKET = /^(\d+) (\d+) (\d+) (\d+) (\S+) ([^\s;]+)(?:;([^\s;]*)\S*)? /;
/** Of a `Date`. */
const LAST_MS = 8.64e15;

export interface MessageChannelOptions {
  redis: Pick<Redis, 'kind' | 'publish'>;
  subscriber: RedisSubscriber;
  keys: Keys;
  instanceId: string;
  onMessage: (message: Delivery, sender: MessageSender, epoch: number) => void;
  /** The channel is back after a break: what came meanwhile is lost to it. */
  onRepaired: () => void;
  /** Events of another instance may not have gone out: what they told of is in the store. */
  onLostElsewhere: () => void;
}

/**
 * Where other instances' messages for participants of this one arrive. A courtesy: it may lose them, the log has them.
 * The script that appends a message publishes it, so a channel carries the messages of a session in the order of seq.
 */
export class MessageChannel {
  /** How a script publishes. */
  readonly command: 'PUBLISH' | 'SPUBLISH';
  readonly #options: MessageChannelOptions;
  readonly #probes = new Map<string, () => void>();
  #probeCount = 0;
  #tellingLost: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: MessageChannelOptions) {
    this.#options = options;
    this.command = options.redis.kind === 'cluster' ? 'SPUBLISH' : 'PUBLISH';
  }

  /** Name of the channel for messages of that session, without the instance. */
  nameFor(sessionId: string): string {
    const { redis, keys } = this.#options;
    return keys.channel(redis.kind === 'cluster' ? partitionOf(sessionId) : null);
  }

  async start(): Promise<void> {
    const { subscriber, onRepaired } = this.#options;
    subscriber.onResubscribed(onRepaired);
    await subscriber.subscribe([...this.#names(), this.#toAll], (packet) => this.#receive(packet.toString()));
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#tellingLost !== null) clearTimeout(this.#tellingLost);
    this.#options.subscriber.unsubscribe([...this.#names(), this.#toAll]);
  }

  /**
   * An event of this instance may not have gone out, although what it tells of was stored: has the others look at the
   * store, as soon as they can be told.
   */
  tellLost(): void {
    if (this.#isStopped || this.#tellingLost !== null) return;
    const tell = async () => {
      this.#tellingLost = null;
      try {
        await this.#options.redis.publish(this.#toAll, `lost ${this.#options.instanceId}`);
      } catch {
        this.tellLost();
      }
    };
    this.#tellingLost = setTimeout(() => void tell(), TELL_AGAIN_MS);
    this.#tellingLost.unref();
  }

  /** Resolves when a packet went out and came back; rejects `UNAVAILABLE` when it did not. */
  async probe(): Promise<void> {
    const { redis, subscriber, instanceId } = this.#options;
    if (!subscriber.isReady()) throw new TandemError('UNAVAILABLE', 'A channel of this instance is not heard.');
    const names = this.#names();
    const id = `${instanceId}:${(this.#probeCount += 1)}`;
    const name = names[this.#probeCount % names.length];
    if (name === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const back = new Promise<void>((resolve, reject) => {
      this.#probes.set(id, resolve);
      const text = `A probe did not come back through Redis within ${PROBE_MS} ms.`;
      timer = setTimeout(() => reject(new TandemError('UNAVAILABLE', text)), PROBE_MS);
    });
    try {
      await Promise.all([redis.publish(name, `probe ${id}`), back]);
    } finally {
      clearTimeout(timer);
      this.#probes.delete(id);
    }
  }

  /** No instance has this name. */
  get #toAll(): string {
    return `${this.#options.keys.channel(null)}all`;
  }

  #names(): string[] {
    const { redis, keys, instanceId } = this.#options;
    if (redis.kind !== 'cluster') return [`${keys.channel(null)}${instanceId}`];
    return Array.from({ length: PARTITIONS }, (_, partition) => `${keys.channel(partition)}${instanceId}`);
  }

  #receive(packet: string): void {
    if (packet.startsWith('probe ')) {
      this.#probes.get(packet.slice(6))?.();
      return;
    }
    if (packet.startsWith('lost ')) {
      if (packet.slice(5) !== this.#options.instanceId) this.#options.onLostElsewhere();
      return;
    }
    // epoch, seq, sent at, generation, seat, session and perhaps the trace, message. Behind the session, because versions
    // before traces read everything else; what is no trace, of whichever version, is passed by.
    const parts = PACKET.exec(packet);
    if (parts === null) return;
    const [head, epoch, seqText, sentAtText, generation, from = '', sessionId = '', traceparent] = parts;
    const holder = { seatId: from, generation: Number(generation) };
    const sender = traceparent === undefined ? holder : { ...holder, traceparent };
    const [text, seq, sentAt] = [packet.slice(head.length), Number(seqText), Number(sentAtText)];
    // Thrown into the driver it would end the process. Whoever wrote this: what the log has is delivered all the same.
    if (!isOpenText(text) || !(sentAt <= LAST_MS)) return;
    const json = closedText(text, seq, sentAt);
    this.#options.onMessage({ sessionId, from, id: idOf(text), seq, sentAt, json }, sender, Number(epoch));
  }
}
