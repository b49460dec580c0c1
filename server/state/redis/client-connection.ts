import { randomUUID } from 'node:crypto';
import { createClient, ErrorReply } from 'redis';
import { RedisReplyError, toError } from './client-errors.ts';
import type { RedisAddress, RedisOptions, RedisPrimary, RedisReply } from './client-types.ts';

const CONNECT_TIMEOUT_MS = 800;
/** A frozen server's kernel still accepts: the greeting needs a deadline of its own. */
const GREETING_TIMEOUT_MS = 1500;
const TICK_MS = 250;
/** A command that is unanswered through this many ticks: 1.25 to 1.5 s. */
const TICKS_TO_ANSWER = 5;
/** Commands that wait for an answer; more are refused. A server that answers has 20,000 of them done in a second. */
const MOST_COMMANDS = 10_000;

export type ConnectionSettings = Pick<RedisOptions, 'username' | 'password' | 'database' | 'tls'>;
export type ChannelListener = (message: Buffer, channel: string) => void;

/**
 * One connection to one server, from its opening to its end; it is never made anew. It ends as soon as the server
 * leaves a command unanswered for 1.5 s, and when nobody sends any, it sends some.
 *
 * The driver's own means for that (`pingInterval` with `socketTimeout`) do not see a frozen server that is written to:
 * every write puts the timeout off, so with a command each 100 ms none was refused in 5 s. And they make a process that
 * stood still for a second drop healthy connections; ticks that come late count once.
 */
export class Connection {
  readonly address: RedisAddress;
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<Error>;
  readonly #client: ReturnType<typeof newClient>;
  readonly #sentAtTick: number[] = [];
  readonly #end: (reason: Error) => void;
  #sent = 0;
  #answered = 0;
  #sentAtLastTick = -1;
  #timer: NodeJS.Timeout | null = null;
  #endReason: Error | null = null;

  private constructor(address: RedisAddress, settings: ConnectionSettings) {
    this.address = address;
    let end: (reason: Error) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    this.#end = end;
    this.#client = newClient(address, settings);
    this.#client.on('error', (error: Error) => this.end(error));
    this.#client.on('end', () => this.end(new Error(`${at(address)} closed the connection`)));
  }

  /** Connects, authenticates and sees that the server answers commands. */
  static async open(address: RedisAddress, settings: ConnectionSettings): Promise<Connection> {
    const connection = new Connection(address, settings);
    const timer = setTimeout(() => {
      connection.end(new Error(`${at(address)} did not answer within ${GREETING_TIMEOUT_MS} ms`));
    }, GREETING_TIMEOUT_MS);
    try {
      await Promise.race([connection.#greet(), connection.ended.then((reason) => Promise.reject(reason))]);
    } catch (error) {
      connection.end(toError(error));
      throw error;
    } finally {
      clearTimeout(timer);
    }
    connection.#watch();
    return connection;
  }

  get isOpen(): boolean {
    return this.#endReason === null;
  }

  /** Rejects with `RedisReplyError` when Redis answers with an error, with any other when it does not answer. */
  send(args: readonly (string | Buffer)[]): Promise<RedisReply> {
    // The way of each message: one promise on top of the driver's own.
    const refusal = this.#refusal();
    if (refusal !== null) return Promise.reject(refusal);
    this.#sent += 1;
    try {
      return this.#client.sendCommand<RedisReply>(args).then(this.#onReply, this.#onFailure); // RESP2 has no other types
    } catch (error) {
      return Promise.reject(this.#failed(error));
    }
  }

  /** Two commands that nothing comes between. */
  async sendAfter(first: readonly string[], args: readonly (string | Buffer)[]): Promise<RedisReply> {
    const [, reply] = await Promise.all([this.send(first), this.send(args)]);
    return reply;
  }

  async subscribe(channels: readonly string[], isSharded: boolean, listener: ChannelListener): Promise<void> {
    const hear = (message: Buffer, channel: Buffer) => listener(message, channel.toString());
    await this.#counted(async () => {
      if (isSharded) await Promise.all(channels.map((channel) => this.#client.sSubscribe(channel, hear, true)));
      else await this.#client.subscribe([...channels], hear, true);
    });
  }

  async unsubscribe(channels: readonly string[], isSharded: boolean): Promise<void> {
    await this.#counted(async () => {
      if (isSharded) await Promise.all(channels.map((channel) => this.#client.sUnsubscribe(channel)));
      else await this.#client.unsubscribe([...channels]);
    });
  }

  /** Told when the server takes a sharded channel away because its slot went elsewhere. */
  onChannelMoved(listener: (channel: string) => void): void {
    this.#client.on('sharded-channel-moved', (channel: string) => listener(channel));
  }

  /** What the server says of itself; empty where INFO is forbidden. */
  async describe(): Promise<RedisPrimary & { readonly role: string }> {
    const [server, replication] = await Promise.all(['server', 'replication'].map((section) => this.#info(section)));
    const field = (text: string | undefined, name: string) =>
      new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text ?? '')?.[1] ?? '';
    const [runId, replicationId] = [field(server, 'run_id'), field(replication, 'master_replid')];
    return {
      ...this.address,
      id: runId === '' ? `unknown:${randomUUID()}` : `${runId}:${replicationId}`,
      version: field(server, 'redis_version'),
      runId,
      replicationId,
      role: field(replication, 'role'),
    };
  }

  /** Refuses what waits for an answer. May be called twice; the first reason counts. */
  end(reason: Error): void {
    if (this.#endReason !== null) return;
    this.#endReason = reason;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#client.destroy();
    this.#end(reason);
  }

  async #greet(): Promise<void> {
    await this.#client.connect();
    // Refused while the data set is loaded: then nothing else would be answered either.
    await this.send(['PING']);
  }

  async #info(section: string): Promise<string> {
    try {
      return String(await this.send(['INFO', section]));
    } catch (error) {
      if (error instanceof RedisReplyError && error.message.startsWith('NOPERM')) return '';
      throw error;
    }
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
    this.#sent += 1;
    try {
      const reply = await work();
      this.#answered += 1;
      return reply;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Refused here and not by the driver: what was never sent must not count as answered. */
  #refusal(): Error | null {
    if (this.#endReason !== null) return this.#endReason;
    return this.#sent - this.#answered < MOST_COMMANDS ? null : new Error(`${at(this.address)} has too much to answer`);
  }

  readonly #onReply = (reply: RedisReply): RedisReply => {
    this.#answered += 1;
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    throw this.#failed(error);
  };

  #failed(error: unknown): Error {
    this.#answered += 1;
    return error instanceof ErrorReply ? new RedisReplyError(error.message) : (this.#endReason ?? toError(error));
  }

  #watch(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    // Redis answers in order, so counting tells the age of the oldest command without a timer for each.
    this.#sentAtTick.push(this.#sent);
    if (this.#sentAtTick.length > TICKS_TO_ANSWER) {
      const due = this.#sentAtTick.shift() ?? 0;
      if (this.#answered < due) {
        this.end(new Error(`${at(this.address)} left a command unanswered for ${TICKS_TO_ANSWER * TICK_MS} ms`));
        return;
      }
    }
    const isIdle = this.#sent === this.#answered && this.#sent === this.#sentAtLastTick;
    // A refusal ends the connection or is the next tick's business.
    if (isIdle) this.send(['PING']).catch(() => undefined);
    this.#sentAtLastTick = this.#sent;
  }
}

export function at({ host, port }: RedisAddress): string {
  return `Redis at ${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function newClient({ host, port }: RedisAddress, { username, password, database, tls }: ConnectionSettings) {
  const socket = { host, port, connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false as const };
  return createClient({
    // Scripts speak RESP2; RESP3 would only change the shape of other replies.
    RESP: 2,
    socket: tls === null ? socket : { ...socket, tls: true, ...(tls.ca === null ? {} : { ca: tls.ca }) },
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(database === 0 ? {} : { database }),
    disableOfflineQueue: true,
    // By default every command makes a timer, which doubles the work of a busy server and does not cover what was sent.
    commandOptions: { timeout: 0 },
    // What only other servers than Redis understand, and what an ACL would have to allow.
    maintNotifications: 'disabled',
    disableClientInfo: true,
  });
}
