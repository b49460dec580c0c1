import type { HandshakeAuth } from '../protocol/commands.ts';
import type { Events } from '../protocol/events.ts';
import type { CloseReason, LeaveReason, Message, Participant, Session } from '../protocol/session.ts';
import type { Connection } from './connection.ts';
import { Delivery } from './delivery.ts';
import type { StoredSeat } from './seat.ts';

/** Something that happened between messages, shown after the message with `afterSeq`. */
export interface Note {
  id: number;
  afterSeq: number;
  text: NoteText;
}
export type NoteText =
  | { kind: 'joined'; name: string | null }
  | { kind: 'left'; name: string | null; reason: LeaveReason }
  | { kind: 'now_host' }
  | { kind: 'rolled_back'; own: number; others: number };

const NOTES_CAPACITY = 200;

/** One session as the participant on this page sees it: who is there, what was said, and how it stands. */
export class JoinedSession {
  readonly participantId: string;
  readonly delivery: Delivery;
  /** Null until the first answer of a resume after a reload. */
  session: Session | null = null;
  /** When the session closes unless somebody does something. */
  closesAt: string | null = null;
  /** Null while it is open, and when it closed while this page was away. */
  closeReason: CloseReason | null = null;
  notes: readonly Note[] = [];

  /** Names of everybody who was ever seen here: their messages stay when they leave. */
  private readonly names = new Map<string, string | null>();
  private readonly sessionId: string;
  private readonly resumeToken: string;
  private readonly changed: () => void;
  private noteCount = 0;

  constructor(seat: StoredSeat, connection: Connection, changed: () => void) {
    this.sessionId = seat.sessionId;
    this.participantId = seat.participantId;
    this.resumeToken = seat.resumeToken;
    this.changed = changed;
    this.delivery = new Delivery(seat, connection, {
      changed,
      rolledBack: (dropped) => this.onRolledBack(dropped),
    });
    for (const message of seat.unsent) this.delivery.outbox.add(message);
  }

  get isHost(): boolean {
    return this.self?.role === 'host';
  }

  get isClosed(): boolean {
    return this.session?.status === 'closed';
  }

  participant(id: string): Participant | undefined {
    return this.session?.participants.find((participant) => participant.id === id);
  }

  nameOf(participantId: string): string | null {
    return this.participant(participantId)?.name ?? this.names.get(participantId) ?? null;
  }

  /** For the next handshake. */
  resume(): NonNullable<HandshakeAuth['resume']> {
    const { sessionId, participantId, resumeToken } = this;
    return { sessionId, participantId, resumeToken, ...this.delivery.position() };
  }

  /** For a reload of the page. */
  stored(): StoredSeat {
    const { sessionId, participantId, resumeToken, delivery } = this;
    return { sessionId, participantId, resumeToken, epoch: delivery.epoch, unsent: delivery.outbox.unsent() };
  }

  /** The ack of create or join. */
  onOpened(session: Session): void {
    this.setSession(session);
    this.delivery.opened(session, this.visibleAfterSeq(session));
  }

  onResumed(event: Events['session:resumed']): void {
    const wasHost = this.session === null || this.isHost;
    this.setSession(event.session);
    this.closesAt = null;
    if (this.isHost && !wasHost) this.addNote({ kind: 'now_host' });
    this.delivery.resumed(event, this.visibleAfterSeq(event.session));
  }

  onSession(session: Session): void {
    if (session.id !== this.sessionId || this.session === null) return;
    const wasHost = this.isHost;
    this.setSession(session);
    if (this.isHost && !wasHost) this.addNote({ kind: 'now_host' });
    this.delivery.headSeen(session);
    this.onActivity();
  }

  onJoined({ participant, session }: Events['session:joined']): void {
    if (session.id === this.sessionId) this.addNote({ kind: 'joined', name: participant.name });
    this.onSession(session);
  }

  onLeft({ participantId, reason, session }: Events['session:left']): void {
    const name = this.nameOf(participantId);
    if (session.id === this.sessionId) this.addNote({ kind: 'left', name, reason });
    this.onSession(session);
  }

  onPresence({ participantId, presence }: Events['session:presence']): void {
    const participant = this.participant(participantId);
    if (participant !== undefined) participant.presence = presence;
    this.changed();
  }

  onIdle({ closesAt }: Events['session:idle']): void {
    this.closesAt = closesAt;
    this.changed();
  }

  /** Somebody did something: the idle warning is void. */
  onActivity(): void {
    this.closesAt = null;
    this.changed();
  }

  onMessage(message: Message): void {
    this.delivery.receive(message);
    this.onActivity();
  }

  onClosed(sessionId: string, reason: CloseReason): void {
    if (sessionId !== this.sessionId || this.session === null) return;
    this.session = { ...this.session, status: 'closed', code: null };
    this.closesAt = null;
    this.closeReason ??= reason;
    this.changed();
  }

  private get self(): Participant | undefined {
    return this.participant(this.participantId);
  }

  /** History begins with the seat, unless the session shares what came before. */
  private visibleAfterSeq(session: Session): number {
    return session.shareHistory ? 0 : (this.self?.joinedSeq ?? 0);
  }

  private setSession(session: Session): void {
    this.session = session;
    for (const { id, name } of session.participants) this.names.set(id, name);
  }

  private onRolledBack(dropped: readonly Message[]): void {
    const own = dropped.filter(({ from }) => from === this.participantId).length;
    this.addNote({ kind: 'rolled_back', own, others: dropped.length - own });
  }

  private addNote(text: NoteText): void {
    this.noteCount += 1;
    const note = { id: this.noteCount, afterSeq: this.delivery.log.lastSeq, text };
    this.notes = [...this.notes, note].slice(-NOTES_CAPACITY);
  }
}
