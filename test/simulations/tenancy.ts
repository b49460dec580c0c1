import type { Events } from '../../protocol/events.ts';
import type { Message, SelfWithToken, Session } from '../../protocol/session.ts';
import type { ResumeInput } from '../../server/sessions/seating.ts';
import { KnownLog } from '../faults/known-log.ts';
import { RecordBook } from '../faults/record.ts';
import type { Way } from '../faults/record.ts';
import type { Answer, Ask } from './simulated-link.ts';

/** A command whose outcome changes the session. */
export type Doing = Extract<Ask, { command: 'leave' | 'close' | 'kick' | 'lock' | 'reopen' }>;

/** A seat, from the answer that gave it until the client is done with it: what the client knows, and what is open. */
export class Tenancy {
  readonly record: RecordBook;
  readonly known: KnownLog;
  readonly self: SelfWithToken;
  /** Sends without an outcome, and how many attempts of each are under way. */
  readonly pending = new Map<string, { underWay: number }>();
  readonly acknowledged: string[] = [];
  /** A command that has no outcome yet: it is repeated until it has one. */
  doing: { readonly ask: Doing; isUnderWay: boolean } | null = null;
  isClosed: boolean;
  epoch: number;
  #durableSeq: number;
  /** Highest number that the client was told of. */
  #toldSeq: number;

  constructor(client: string, session: Session, self: SelfWithToken, time: () => number) {
    const { participantId } = self;
    const joinedSeq = session.participants.find(({ id }) => id === participantId)?.joinedSeq ?? 0;
    this.record = new RecordBook({ client, kind: 'stock', sessionId: session.id, participantId, joinedSeq }, time);
    this.record.add({ kind: 'connected' });
    this.known = new KnownLog(joinedSeq);
    this.known.noteHead(session.lastSeq);
    this.self = self;
    this.epoch = session.epoch;
    this.#durableSeq = session.durableSeq;
    this.#toldSeq = session.lastSeq;
    this.isClosed = session.status === 'closed';
  }

  /** Whether everything has its outcome, and nothing that was told of is missing. */
  get isQuiet(): boolean {
    return this.pending.size === 0 && this.doing === null && this.known.completeSeq >= this.#toldSeq;
  }

  resumeInput(): ResumeInput {
    const { sessionId, participantId } = this.record;
    const lastSeq = this.known.completeSeq;
    const lastId = this.known.idAt(lastSeq) ?? null;
    const { resumeToken } = this.self;
    const durableSeq = this.#durableSeq;
    return { sessionId, participantId, resumeToken, epoch: this.epoch, lastSeq, lastId, durableSeq };
  }

  see(message: Message, way: Way): void {
    this.record.add({ kind: 'seen', way, message });
    this.known.note(message.seq, message.id);
  }

  head({ epoch, lastSeq, durableSeq }: Events['session:head']): void {
    if (epoch !== this.epoch) return;
    this.#toldSeq = Math.max(this.#toldSeq, lastSeq);
    this.#durableSeq = Math.max(this.#durableSeq, durableSeq);
    this.known.noteHead(lastSeq);
  }

  resumed({ session, messages, gap, reset }: Events['session:resumed']): void {
    const { record, known } = this;
    record.add({ kind: 'resumed', epoch: session.epoch, lastSeq: session.lastSeq });
    if (reset) {
      // Nothing that was acknowledged here is ever lost: the checker says so.
      const afterSeq = Math.min(this.#durableSeq, known.completeSeq);
      record.add({ kind: 'reset', afterSeq, epoch: session.epoch });
      known.forgetAfter(afterSeq);
    }
    this.epoch = session.epoch;
    this.#durableSeq = session.durableSeq;
    this.#toldSeq = session.lastSeq;
    if (session.status === 'closed') this.isClosed = true;
    if (gap !== null) {
      record.add({ kind: 'gap', ...gap });
      known.noteGap(gap.fromSeq, gap.toSeq);
    }
    for (const message of messages) this.see(message, 'resumed');
    known.noteHead(session.lastSeq);
  }

  sent(id: string, attempt: number, { seq, epoch, duplicate, durableSeq }: Extract<Answer, { command: 'send' }>): void {
    this.record.add({ kind: 'ok', id, attempt, seq, epoch, duplicate });
    this.pending.delete(id);
    if (!this.acknowledged.includes(id)) this.acknowledged.push(id);
    this.#durableSeq = Math.max(this.#durableSeq, durableSeq);
    this.#toldSeq = Math.max(this.#toldSeq, seq);
    this.known.note(seq, id);
  }

  /** Its connection is gone, and with it every outcome that was on its way. */
  disconnected(): void {
    for (const send of this.pending.values()) send.underWay = 0;
    if (this.doing !== null) this.doing.isUnderWay = false;
    this.record.add({ kind: 'disconnected', reason: 'cut' });
  }
}
