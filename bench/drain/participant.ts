import { z } from 'zod';
import { BenchClient } from '../engine/bench-client.ts';
import type { Delivery } from '../engine/frames.ts';
import type { Tally } from '../engine/tally.ts';
import type { Return } from './crowd-plan.ts';

/** A stock client's `reconnectionDelay`, `reconnectionDelayMax` and `randomizationFactor`. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 5000;
const JITTER = 0.5;

const seatedSchema = z.object({
  session: z.object({ id: z.string(), code: z.string().nullable(), epoch: z.number() }),
  self: z.object({ participantId: z.string(), resumeToken: z.string() }),
});
const resumedSchema = z.object({
  messages: z.array(z.object({ id: z.string(), seq: z.number() })),
  hasMore: z.boolean(),
  gap: z.unknown(),
  reset: z.boolean(),
});

/** What all participants of a crowd share. */
export interface Crowd {
  /** `host:port` where they come back to; what a balancer decides for real clients. */
  home: string;
  readonly losses: Tally;
  readonly faults: Tally;
  readonly returns: Return[];
  failedAttempts: number;
  /** Somebody is back. */
  onBack: () => void;
}

/** One seat that comes back by itself when its connection is lost, as a stock client does, until it is closed. */
export class Participant {
  readonly #crowd: Crowd;
  #client: BenchClient | null = null;
  #seat: z.infer<typeof seatedSchema> | null = null;
  #closedAt: number | null = null;
  #isOver = false;
  /** Called for live messages and for those that a resume brings. */
  onDelivery: (delivery: Delivery) => void = () => undefined;
  /** The connection is there again. */
  onResumed: () => void = () => undefined;
  /** The highest seq up to which everything has come. */
  lastSeq = 0;

  constructor(crowd: Crowd) {
    this.#crowd = crowd;
  }

  /** Null while it is away. */
  get client(): BenchClient | null {
    return this.#client;
  }

  /** Creates a session, and gives its code. */
  async create(): Promise<string> {
    const { session } = await this.#enter('session:create', {});
    if (session.code === null) throw new Error('a new session has a code');
    return session.code;
  }

  async join(code: string): Promise<void> {
    await this.#enter('session:join', { code });
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#client?.close();
  }

  async #enter(command: string, payload: object): Promise<z.infer<typeof seatedSchema>> {
    const client = await BenchClient.connect(this.#crowd.home, { onDelivery: (delivery) => this.onDelivery(delivery) });
    this.#hold(client);
    this.#seat = seatedSchema.parse(await client.request(command, payload));
    return this.#seat;
  }

  #hold(client: BenchClient): void {
    this.#client = client;
    client.onLost = (reason) => {
      this.#client = null;
      this.#crowd.losses.add(reason);
      this.#closedAt ??= now();
      this.#tryLater(0);
    };
  }

  #tryLater(attempt: number): void {
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
    setTimeout(() => void this.#comeBack(attempt), waitMs * (1 + JITTER * (2 * Math.random() - 1)));
  }

  async #comeBack(attempt: number): Promise<void> {
    if (this.#isOver || this.#seat === null) return;
    const { session, self } = this.#seat;
    const askedAt = now();
    const resume = {
      ...{ sessionId: session.id, participantId: self.participantId, resumeToken: self.resumeToken },
      ...{ epoch: session.epoch, lastSeq: this.lastSeq },
    };
    try {
      const client = await BenchClient.connect(this.#crowd.home, {
        auth: { resume },
        onDelivery: (delivery) => this.onDelivery(delivery),
        onEvent: (name, payload) => {
          if (name === 'session:resumed') this.#resumed(payload, askedAt);
        },
      });
      this.#hold(client);
      this.onResumed();
    } catch {
      // Counted; what the server thinks of it is in its log.
      this.#crowd.failedAttempts += 1;
      this.#tryLater(attempt + 1);
    }
  }

  #resumed(payload: unknown, askedAt: number): void {
    const { messages, hasMore, gap, reset } = resumedSchema.parse(payload);
    if (hasMore) this.#crowd.faults.add('more was missed than a resume brings');
    if (gap !== null) this.#crowd.faults.add('gap');
    if (reset) this.#crowd.faults.add('reset');
    for (const message of messages) this.onDelivery(message);
    if (this.#closedAt === null) return;
    this.#crowd.returns.push({ closedAt: this.#closedAt, askedAt, backAt: now() });
    this.#closedAt = null;
    this.#crowd.onBack();
  }

  get isAway(): boolean {
    return this.#closedAt !== null;
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
