import type { OpenSocket } from '../../client/socket.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How many milliseconds each copy of a packet is held up; none: it never comes. */
export type Delays = readonly number[];

/** Which packet: of what name, the how manieth of that name, on the how manieth connection. Both count from 1. */
export interface Packet {
  readonly name: string;
  readonly nth: number;
  readonly line: number;
}

type Rule = (packet: Packet) => Delays;

const atOnce: Rule = () => [0];

/** A network between a client and a server that the test holds packets up on, one by one. */
export class SlowNetwork {
  /** Every command that the client sent, whatever became of it. */
  readonly asked: { readonly command: string; readonly payload: unknown; readonly line: number }[] = [];
  lines = 0;
  requests: Rule = atOnce;
  answers: Rule = atOnce;
  events: Rule = atOnce;
  /** No connection can be made. */
  isDown = false;
  readonly #time: VirtualTime;
  readonly #far: OpenSocket;
  readonly #counts = new Map<string, number>();

  constructor(time: VirtualTime, far: OpenSocket) {
    this.#time = time;
    this.#far = far;
  }

  readonly open: OpenSocket = (url, auth, handlers) => {
    const line = (this.lines += 1);
    let isOver = false;
    const pass = (delays: Delays, arrive: () => void): void => {
      for (const delayMs of delays) {
        this.#time.after(delayMs, () => {
          if (!isOver) arrive();
        });
      }
    };
    const end = (): void => {
      isOver = true;
    };
    if (this.isDown) {
      pass([1], handlers.closed);
      return { request: () => undefined, close: end };
    }
    const socket = this.#far(url, auth, {
      ...handlers,
      event: (name, payload) =>
        pass(this.events(this.#packet('event', name, line)), () => handlers.event(name, payload)),
    });
    return {
      request: (command, payload, answer) => {
        this.asked.push({ command, payload, line });
        const packet = this.#packet('request', command, line);
        pass(this.requests(packet), () =>
          socket.request(command, payload, (value) => pass(this.answers(packet), () => answer(value))),
        );
      },
      close: () => {
        end();
        socket.close();
      },
    };
  };

  /** Payloads of one command, in the order in which they were sent. */
  payloads(command: string): Record<string, unknown>[] {
    return this.asked
      .filter((asked) => asked.command === command)
      .map(({ payload }) => payload as Record<string, unknown>);
  }

  #packet(kind: string, name: string, line: number): Packet {
    const key = `${kind} ${name}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    return { name, nth, line };
  }
}

/** Holds up packets of one name alone. */
export function only(name: string, delays: Rule): Rule {
  return (packet) => (packet.name === name ? delays(packet) : [0]);
}
