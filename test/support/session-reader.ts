import type { TandemSession } from '../../client/session.ts';
import type { ReceivedMessage } from '../../client/types.ts';
import { within } from './deadline.ts';

const DEADLINE_MS = 30_000;

/** Everything that a session hands out, and a way to wait for some of it. */
export class SessionReader {
  readonly messages: ReceivedMessage[] = [];
  #wake: () => void = () => undefined;

  constructor(session: TandemSession) {
    session.on('message', (message) => {
      this.messages.push(message);
      this.#wake();
    });
  }

  get bodies(): unknown[] {
    return this.messages.map(({ body }) => body);
  }

  get seqs(): number[] {
    return this.messages.map(({ seq }) => seq);
  }

  /** Resolves when so many messages were handed out. */
  async has(count: number): Promise<void> {
    const arrived = (async () => {
      while (this.messages.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    })();
    await within(DEADLINE_MS, () => `${count} messages, there are ${JSON.stringify(this.bodies)}`, arrived);
  }
}

/** 1 to `count`: the seqs of a session whose every message was handed out, once and in order. */
export function seqsTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
