import { TandemClient } from '../../client/client.ts';
import type { Clock } from '../../client/clock.ts';
import type { TandemSession } from '../../client/session.ts';
import type { OpenSocket } from '../../client/socket.ts';
import type { ClientOptions } from '../../client/types.ts';
import type { LossySession } from './lossy-session.ts';
import { SlowNetwork } from './slow-network.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One client on a network of its own, and everything that an application is told by it. */
export class Side {
  readonly network: SlowNetwork;
  readonly client: TandemClient;
  readonly told: string[] = [];
  /** What became of the promises of `send`. */
  readonly outcomes: string[] = [];
  readonly #time: VirtualTime;
  #session: TandemSession | null = null;

  constructor(far: LossySession, time: VirtualTime, options: ClientOptions = {}, clock: Clock = time) {
    this.#time = time;
    this.network = new SlowNetwork(time, withSelf(far.open));
    const parts = { clock, random: () => 0.5, openSocket: this.network.open };
    this.client = new TandemClient({ url: 'http://there', storage: null, ...options }, parts);
  }

  get session(): TandemSession {
    if (this.#session === null) throw new Error('no session yet');
    return this.#session;
  }

  async sitDown(): Promise<void> {
    const asked = this.client.create().then((session) => this.take(session));
    await this.#time.pass(1_000);
    await asked;
  }

  /** The seat that an earlier page left in the storage. */
  restore(): void {
    const session = this.client.restore();
    if (session === null) throw new Error('expected a seat in the storage');
    this.take(session);
  }

  take(session: TandemSession): void {
    this.#session = session;
    session.on('message', ({ seq, id }) => this.told.push(`message ${seq} ${id}`));
    session.on('sent', ({ seq, id }) => this.told.push(`sent ${seq} ${id}`));
    session.on('failed', ({ id, error }) => this.told.push(`failed ${id} ${error.code}`));
    session.on('reset', ({ afterSeq }) => this.told.push(`reset ${afterSeq}`));
    session.on('gap', ({ fromSeq, toSeq }) => this.told.push(`gap ${fromSeq} ${toSeq}`));
    session.on('ended', ({ reason }) => this.told.push(`ended ${reason}`));
  }

  send(...names: string[]): void {
    for (const name of names) {
      this.session.send('text', name, { id: idOf(name) }).then(
        ({ id, seq }) => this.outcomes.push(`${id} is ${seq}`),
        () => this.outcomes.push(`${idOf(name)} failed`),
      );
    }
  }

  get sends(): unknown[] {
    return this.network.payloads('message:send').map(({ id }) => id);
  }

  get messages(): string[] {
    return this.told.filter((what) => what.startsWith('message'));
  }
}

/** An id as the protocol wants it. */
export function idOf(name: string): string {
  return name.padEnd(8, '-');
}

/** A server tells with `session:get` whose seat it is; a client takes an answer without that for none. */
function withSelf(open: OpenSocket): OpenSocket {
  return (url, auth, handlers) => {
    const socket = open(url, auth, handlers);
    return {
      ...socket,
      request: (command, payload, answer) =>
        socket.request(command, payload, (value) =>
          answer(
            command === 'session:get' ? { ...(value as object), self: { participantId: '', role: 'host' } } : value,
          ),
        ),
    };
  };
}
