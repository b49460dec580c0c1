/** A client that does what the contract asks of one, a step at a time, and writes down what it was told. */
import type { ErrorCode } from '../../protocol/errors.ts';
import type { SelfWithToken, Session } from '../../protocol/session.ts';
import type { Random } from '../support/random.ts';
import type { Board } from './board.ts';
import { Link } from './simulated-link.ts';
import type { Answer, Ask, Packet } from './simulated-link.ts';
import { Tenancy } from './tenancy.ts';
import type { Doing } from './tenancy.ts';

type Opening = Extract<Ask, { command: 'create' | 'join' }>;

export class SimulatedClient {
  readonly name: string;
  link: Link | null = null;
  tenancy: Tenancy | null = null;
  readonly past: Tenancy[] = [];
  /** Whatever the server did that no rule allows. */
  readonly complaints: string[] = [];
  readonly #board: Board;
  readonly #isGuest: boolean;
  readonly #asked = new Map<number, { readonly ask: Ask; readonly attempt: number; readonly at: number }>();
  #opening: Opening | null = null;
  #isServed = false;
  #isAsking = false;
  #serial = 0;
  #said = 0;
  #keys = 0;
  #links = 0;

  /** A guest begins a session of its own only now and then. */
  constructor(name: string, board: Board, isGuest: boolean) {
    this.name = name;
    this.#isGuest = isGuest;
    this.#board = board;
  }

  get isQuiet(): boolean {
    if (this.#opening !== null) return false;
    const { tenancy } = this;
    if (tenancy === null) return true;
    return this.#isServed && tenancy.isQuiet;
  }

  get canTalk(): boolean {
    return this.#isServed && this.tenancy !== null && this.tenancy.doing?.ask.command !== 'leave';
  }

  connect(): Link {
    const link = new Link(`${this.name}/${(this.#links += 1)}`);
    this.link = link;
    const { tenancy } = this;
    if (tenancy !== null) this.#ask({ command: 'resume', input: tenancy.resumeInput() });
    else if (this.#opening !== null) this.#ask(this.#opening);
    return link;
  }

  /** The connection is gone, whoever ended it. */
  disconnected(): void {
    this.link?.cut();
    this.link = null;
    this.#isServed = false;
    this.#isAsking = false;
    for (const { ask, attempt } of this.#asked.values()) {
      if (ask.command === 'send') {
        this.tenancy?.record.add({ kind: 'unknown', id: ask.id, attempt, why: 'disconnected' });
      }
    }
    this.#asked.clear();
    this.tenancy?.disconnected();
  }

  /** One thing that a client may do now; gives what it was, null when there is nothing. */
  act(random: Random): string | null {
    const { tenancy, link } = this;
    if (link === null) {
      this.connect();
      return 'connect';
    }
    if (tenancy === null) return this.#opening === null ? this.#open(random) : null;
    if (!this.canTalk) return null;
    const dice = random.next();
    if (dice < 0.4 && tenancy.pending.size < 5 && !tenancy.isClosed) return `say ${this.#say(tenancy)}`;
    if (dice < 0.5 && tenancy.pending.size > 0) return this.#resend(tenancy, random.pick([...tenancy.pending.keys()]));
    if (dice < 0.57 && tenancy.acknowledged.length > 0) {
      return this.#resend(tenancy, random.pick(tenancy.acknowledged));
    }
    if (dice < 0.62) return this.#askForHole(tenancy);
    if (tenancy.doing === null && !tenancy.isClosed) return this.#do(tenancy, random, dice);
    return this.persist();
  }

  /** What a client does by itself to come to an end: repeats what has no outcome, and asks for what is missing. */
  persist(): string | null {
    const { tenancy, link } = this;
    if (link === null) {
      if (tenancy === null && this.#opening === null) return null;
      this.connect();
      return 'connect';
    }
    if (tenancy === null) {
      if (this.#opening === null || this.#asked.size > 0) return null;
      this.#ask(this.#opening);
      return 'open again';
    }
    if (!this.#isServed) return null;
    for (const [id, { underWay }] of tenancy.pending) if (underWay === 0) return this.#resend(tenancy, id);
    const { doing } = tenancy;
    if (doing !== null && !doing.isUnderWay) {
      doing.isUnderWay = true;
      this.#ask(doing.ask);
      return doing.ask.command;
    }
    return this.#askForHole(tenancy);
  }

  receive(packet: Packet): string {
    const { tenancy } = this;
    switch (packet.kind) {
      case 'message':
        tenancy?.see(packet.message, 'live');
        return `message ${packet.message.seq}`;
      case 'head':
        tenancy?.head(packet);
        return `head ${packet.lastSeq}`;
      case 'closed':
        if (tenancy !== null) tenancy.isClosed = true;
        return 'closed';
      case 'closing':
        // The seat went: whether that is right shows when the client comes back.
        return `closing ${packet.reason}`;
      case 'answer':
      case 'refusal':
        return this.#receiveOutcome(packet);
    }
  }

  #receiveOutcome(packet: Extract<Packet, { serial: number }>): string {
    const asked = this.#asked.get(packet.serial);
    if (asked === undefined) return 'an answer to nothing';
    this.#asked.delete(packet.serial);
    const { ask, attempt } = asked;
    if (ask.command === 'history') this.#isAsking = false;
    if (packet.kind === 'answer') {
      this.#onAnswer(ask, packet.answer, attempt, asked.at);
      return `${ask.command} ok`;
    }
    const { code, retryable } = packet.error;
    this.#onRefusal(ask, code, retryable, attempt);
    return `${ask.command} ${code}`;
  }

  #onAnswer(ask: Ask, answer: Answer, attempt: number, askedAt: number): void {
    const { tenancy } = this;
    if (answer.command === 'create' || answer.command === 'join') this.#seated(answer.session, answer.self);
    else if (tenancy !== null) this.#onAnswerToSeat(tenancy, ask, answer, attempt, askedAt);
  }

  #onAnswerToSeat(
    tenancy: Tenancy,
    ask: Ask,
    answer: Exclude<Answer, { readonly command: 'create' } | { readonly command: 'join' }>,
    attempt: number,
    askedAt: number,
  ): void {
    if (answer.command === 'resume') {
      this.#board.resumed(tenancy.record.participantId, askedAt, this.complaints);
      tenancy.resumed(answer.resumed);
      this.#isServed = true;
    } else if (answer.command === 'history') {
      for (const message of answer.messages) tenancy.see(message, 'history');
    } else if (answer.command === 'send') {
      if (ask.command === 'send') tenancy.sent(ask.id, attempt, answer);
    } else this.#done(tenancy, ask, answer);
  }

  #done(tenancy: Tenancy, ask: Ask, answer: Answer): void {
    if (tenancy.doing?.ask !== ask) return;
    tenancy.doing = null;
    const { sessionId } = tenancy.record;
    if (ask.command === 'kick') this.#board.kicked(ask.participantId);
    if (ask.command === 'lock') this.#board.locked(sessionId, ask.locked);
    if (ask.command === 'close') this.#board.closed(sessionId);
    if (answer.command === 'reopen' && answer.code !== null) this.#board.codes.set(sessionId, answer.code);
    if (ask.command === 'leave') {
      this.#board.left(tenancy.record.participantId);
      this.#over();
    }
  }

  #onRefusal(ask: Ask, code: ErrorCode, retryable: boolean, attempt: number): void {
    const { tenancy } = this;
    if (ask.command === 'create' || ask.command === 'join') {
      // Full, locked, closed, or the code is dead: the next one. What is repeated has an unknown outcome until then.
      if (!retryable) this.#opening = null;
      return;
    }
    if (tenancy === null) return;
    const { record } = tenancy;
    if (ask.command === 'send') {
      const send = tenancy.pending.get(ask.id);
      if (send !== undefined) send.underWay -= 1;
      if (retryable) {
        record.add({ kind: 'unknown', id: ask.id, attempt, why: 'refused_for_now', code });
        return;
      }
      record.add({ kind: 'fail', id: ask.id, attempt, code });
      tenancy.pending.delete(ask.id);
      if (code !== 'SESSION_CLOSED' && code !== 'NOT_IN_SESSION')
        this.complaints.push(`${ask.id} was refused: ${code}`);
    } else if (ask.command === 'resume') {
      if (!retryable) this.#rejected(tenancy, code);
    } else if (ask.command !== 'history' && tenancy.doing?.ask === ask) {
      tenancy.doing.isUnderWay = false;
      if (!retryable) tenancy.doing = null;
    }
    if (code === 'NOT_IN_SESSION') this.#isServed = false;
  }

  #rejected({ record }: Tenancy, code: ErrorCode): void {
    if (code !== 'RESUME_REJECTED') this.complaints.push(`${record.client} could not resume: ${code}`);
    this.#board.rejected(record.sessionId, record.participantId);
    this.#over();
  }

  #over(): void {
    const { tenancy } = this;
    if (tenancy === null) return;
    tenancy.record.add({ kind: 'revoked' });
    this.past.push(tenancy);
    this.tenancy = null;
    this.#isServed = false;
    this.#asked.clear();
  }

  #seated(session: Session, self: SelfWithToken): void {
    this.#opening = null;
    this.#board.seated(session, self.participantId);
    this.tenancy = new Tenancy(`${this.name}-${this.#keys}`, session, self, this.#board.time);
    this.#isServed = true;
  }

  #open(random: Random): string | null {
    const code = this.#board.codes.size === 0 ? undefined : random.pick([...this.#board.codes.values()]);
    const isJoin = code !== undefined && random.next() < 0.9;
    // Who waits for somebody's code is one who joins: a session of one person tells little.
    if (!isJoin && this.#isGuest && random.next() < 0.9) return null;
    const key = `key-of-${this.name}-${(this.#keys += 1)}`;
    this.#opening = isJoin ? { command: 'join', key, code } : { command: 'create', key };
    this.#ask(this.#opening);
    return `${this.#opening.command} ${key}`;
  }

  #say(tenancy: Tenancy): string {
    const id = `${tenancy.record.client}-${String((this.#said += 1)).padStart(4, '0')}`;
    tenancy.record.bodies.set(id, { n: this.#said });
    tenancy.pending.set(id, { underWay: 0 });
    this.#resend(tenancy, id);
    return id;
  }

  #resend(tenancy: Tenancy, id: string): string {
    const { record, pending } = tenancy;
    const send = pending.get(id);
    if (send !== undefined) send.underWay += 1;
    const attempt = record.entries.filter((entry) => entry.kind === 'invoke' && entry.id === id).length + 1;
    record.add({ kind: 'invoke', id, attempt });
    this.#ask({ command: 'send', id, body: record.bodies.get(id) ?? null }, attempt);
    return `send ${id} (${attempt})`;
  }

  #do(tenancy: Tenancy, random: Random, dice: number): string | null {
    const others = this.#board.othersIn(tenancy.record.sessionId, tenancy.record.participantId);
    let ask: Doing;
    const isHost = tenancy.self.role === 'host';
    if (dice < 0.65) ask = { command: 'leave' };
    else if (!isHost && dice < 0.95) return null;
    else if (dice < 0.66) ask = { command: 'close' };
    else if (dice < 0.73 && others.length > 0) ask = { command: 'kick', participantId: random.pick(others) };
    else if (dice < 0.8) ask = { command: 'lock', locked: random.next() < 0.4 };
    else if (dice < 0.84) ask = { command: 'reopen' };
    else return null;
    // Who leaves has nothing more to say: what is refused afterwards would be no fault.
    if (ask.command === 'leave' && tenancy.pending.size > 0) return null;
    tenancy.doing = { ask, isUnderWay: true };
    if (ask.command === 'lock') this.#board.locking(tenancy.record.sessionId);
    this.#ask(ask);
    return ask.command;
  }

  #askForHole(tenancy: Tenancy): string | null {
    if (!tenancy.known.hasHole || this.#isAsking) return null;
    this.#isAsking = true;
    const afterSeq = tenancy.known.completeSeq;
    this.#ask({ command: 'history', afterSeq });
    return `history after ${afterSeq}`;
  }

  #ask(ask: Ask, attempt = 1): void {
    const serial = (this.#serial += 1);
    this.#asked.set(serial, { ask, attempt, at: this.#board.time() });
    this.link?.up.push({ serial, ask });
  }
}
