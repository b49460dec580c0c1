import type { HandshakeAuth } from '../../protocol/commands.ts';
import type { JsonValue, Message, Session } from '../../protocol/session.ts';
import type { OpenSocket, SocketHandlers } from '../../client/socket.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

interface Line {
  readonly handlers: SocketHandlers;
  participantId: string | null;
  isOpen: boolean;
}

/** What a network may do to a packet. */
export interface Weather {
  loss: number;
  doubling: number;
  maxDelayMs: number;
}

/**
 * One session as the protocol describes it, at the far end of a network that loses, doubles and reorders packets. Only
 * the rules that a client can see are here: one sequence, one message for an id, a resume that tells what was missed.
 */
export class LossySession {
  readonly log: Message[] = [];
  readonly weather: Weather = { loss: 0, doubling: 0, maxDelayMs: 5 };
  epoch = 1;
  durableSeq = 0;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #lines = new Set<Line>();
  readonly #seats: string[] = [];

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  readonly open: OpenSocket = (_url, auth, handlers) => {
    const line: Line = { handlers, participantId: null, isOpen: true };
    this.#lines.add(line);
    this.#travel(line, () => this.#greet(line, auth()), false);
    return {
      request: (command, payload, answer) => {
        this.#travel(line, () => {
          const result = this.#answer(line, command, payload as Record<string, never>);
          this.#travel(line, () => answer(result));
        });
      },
      close: () => this.#hangUp(line),
    };
  };

  /** The network cuts every connection of the moment. */
  cut(): void {
    for (const line of [...this.#lines]) {
      this.#hangUp(line);
      line.handlers.closed();
    }
  }

  /** The hot store is lost: what is durable is all that is left. */
  lose(): void {
    this.log.splice(this.durableSeq);
    this.epoch += 1;
    this.cut();
  }

  /** The hot store loses what is neither durable nor up to `seq`, and nobody who remembers that is left. */
  loseUnnoticed(seq: number): void {
    this.log.splice(Math.max(this.durableSeq, seq));
    this.cut();
  }

  archive(): void {
    this.durableSeq = this.log.length;
    for (const line of this.#lines) this.#push(line, 'session:head', this.#head());
  }

  tellHead(): void {
    for (const line of this.#lines) this.#push(line, 'session:head', this.#head());
  }

  #head() {
    return { epoch: this.epoch, lastSeq: this.log.length, durableSeq: this.durableSeq };
  }

  #hangUp(line: Line): void {
    line.isOpen = false;
    this.#lines.delete(line);
  }

  #travel(line: Line, arrive: () => void, isLossy = true): void {
    const { loss, doubling, maxDelayMs } = this.weather;
    if (isLossy && this.#random.next() < loss) return;
    const copies = isLossy && this.#random.next() < doubling ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#time.after(1 + this.#random.below(maxDelayMs), () => {
        if (line.isOpen) arrive();
      });
    }
  }

  #push(line: Line, name: string, payload: unknown, isLossy = true): void {
    this.#travel(line, () => line.handlers.event(name, payload), isLossy);
  }

  #greet(line: Line, { resume }: HandshakeAuth): void {
    line.handlers.opened();
    if (resume === undefined) return;
    for (const other of [...this.#lines])
      if (other !== line && other.participantId === resume.participantId) this.#hangUp(other);
    line.participantId = resume.participantId;
    const seen = this.log[resume.lastSeq - 1];
    const reset =
      resume.epoch !== this.epoch ||
      resume.lastSeq > this.log.length ||
      (resume.lastId !== undefined && seen?.id !== resume.lastId);
    const after = reset ? Math.min(resume.durableSeq ?? 0, resume.lastSeq) : resume.lastSeq;
    const messages = this.log.slice(after, after + 5);
    const hasMore = after + messages.length < this.log.length;
    const self = { participantId: resume.participantId, role: 'guest' };
    const event = { session: this.#session(), self, messages, hasMore, gap: null, reset };
    line.handlers.event('session:resumed', event);
  }

  #answer(line: Line, command: string, payload: Record<string, JsonValue>): unknown {
    if (command === 'session:create' || command === 'session:join') {
      const participantId = line.participantId ?? `00000000-0000-7000-8000-00000000000${this.#seats.length}`;
      if (line.participantId === null) this.#seats.push(participantId);
      line.participantId = participantId;
      return { ok: true, session: this.#session(), self: { participantId, role: 'host', resumeToken: 'token' } };
    }
    if (command === 'message:send') return this.#send(line, payload);
    if (command === 'message:history') {
      const afterSeq = Number(payload['afterSeq'] ?? 0);
      const messages = this.log.slice(afterSeq, afterSeq + 3);
      return { ok: true, messages, hasMore: afterSeq + messages.length < this.log.length, ...this.#head() };
    }
    if (command !== 'session:get') return { ok: true };
    const participantId = line.participantId ?? '';
    const role = participantId === this.#seats[0] ? 'host' : 'guest';
    return { ok: true, session: this.#session(), self: { participantId, role } };
  }

  #send(line: Line, { id, body, type }: Record<string, JsonValue>): unknown {
    const from = line.participantId ?? '';
    if (this.#random.next() < this.weather.loss / 2) {
      return { ok: false, error: { code: 'UNAVAILABLE', message: 'not now', retryable: true } };
    }
    const known = this.log.find((message) => message.id === id && message.from === from);
    const message = known ?? {
      id: textOf(id),
      seq: this.log.length + 1,
      sessionId: SESSION_ID,
      from,
      type: textOf(type),
      body: body ?? null,
      sentAt: new Date(this.#time.now()).toISOString(),
    };
    if (known === undefined) {
      this.log.push(message);
      for (const other of this.#lines) if (other !== line) this.#push(other, 'message:new', message);
    }
    const { epoch, durableSeq } = this;
    return {
      ok: true,
      id: message.id,
      seq: message.seq,
      sentAt: message.sentAt,
      epoch,
      durableSeq,
      duplicate: known !== undefined,
    };
  }

  #session(): Session {
    const createdAt = '2026-01-31T12:00:00.000Z';
    return {
      id: SESSION_ID,
      code: 'BCD234',
      status: 'paired',
      capacity: 2,
      locked: false,
      approval: false,
      shareHistory: true,
      durability: 'redis_memory',
      createdAt,
      codeExpiresAt: createdAt,
      metadata: {},
      ...this.#head(),
      participants: this.#seats.map((id, index) => ({
        id,
        role: index === 0 ? 'host' : 'guest',
        name: null,
        userId: null,
        presence: 'online',
        state: 'active',
        joinedAt: createdAt,
        joinedSeq: 0,
        delivered: 0,
        read: 0,
      })),
    };
  }
}

const SESSION_ID = '00000000-0000-7000-8000-0000000000aa';

function textOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string') throw new Error('expected a text');
  return value;
}
