import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../support/client.ts';

/** Two who talk through everything, and notice whatever is late, lost, doubled or refused. */
export class GoodPair {
  readonly #host: Client;
  readonly #guest: Client;
  readonly #latencies: number[] = [];
  readonly #complaints: string[] = [];
  readonly #sentAt = new Map<string, number>();
  #sent = 0;
  #acknowledged = 0;
  #isTalking = false;
  #talk: Promise<void> = Promise.resolve();

  private constructor(host: Client, guest: Client) {
    this.#host = host;
    this.#guest = guest;
    guest.socket.on('message:new', ({ id }: { id: string }) => {
      const sentAt = this.#sentAt.get(id);
      if (sentAt !== undefined) this.#latencies.push(performance.now() - sentAt);
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<GoodPair> {
    const [host, guest] = [new Client(url, { headers }), new Client(url, { headers })];
    for (const client of [host, guest]) {
      const refusal = await client.opened();
      if (refusal !== null) throw refusal;
    }
    const { session } = await host.do('session:create', {});
    await guest.do('session:join', { code: session.code ?? '' });
    return new GoodPair(host, guest);
  }

  talk(everyMs: number): void {
    this.#isTalking = true;
    this.#talk = (async () => {
      const answers: Promise<void>[] = [];
      while (this.#isTalking) {
        answers.push(this.#say());
        await delay(everyMs);
      }
      await Promise.all(answers);
    })();
  }

  /** Latencies since it was last asked, sorted: from the send to the arrival at the other. */
  takeLatencies(): number[] {
    return this.#latencies.splice(0).sort((a, b) => a - b);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Falls silent, and gives everything that was not as promised. */
  async end(): Promise<string[]> {
    this.#isTalking = false;
    await this.#talk;
    await this.#guest.barrier().catch((error: unknown) => this.#complaints.push(`the guest is gone: ${String(error)}`));
    const heard = this.#guest.messages().map(({ seq }) => seq);
    const expected = Array.from({ length: this.#acknowledged }, (_, index) => index + 1);
    if (heard.join() !== expected.join())
      this.#complaints.push(
        `${this.#acknowledged} were acknowledged, the guest heard ${heard.length}, or in another order`,
      );
    this.close();
    return this.#complaints.slice(0, 10);
  }

  close(): void {
    this.#isTalking = false;
    this.#host.close();
    this.#guest.close();
  }

  async #say(): Promise<void> {
    this.#sent += 1;
    const id = `good-message-${this.#sent}`;
    this.#sentAt.set(id, performance.now());
    try {
      await this.#host.do('message:send', { id, body: this.#sent });
      this.#acknowledged += 1;
    } catch (error) {
      this.#complaints.push(`${id}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
