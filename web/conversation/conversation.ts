import type { FailedMessage, TandemSession } from '../../client/index.ts';
import { HistoryLoader } from './history-loader.ts';
import { Names } from './names.ts';
import { Receipts } from './receipts.ts';
import { sayingOf, unreadableSaying } from './saying.ts';
import { Transcript } from './transcript.ts';
import type { NoteText, Saying } from './transcript.ts';
import { TypingReader, TypingWriter } from './typing.ts';

interface ConversationEvents {
  changed: () => void;
  /** A new message of somebody else's. */
  heard: (saying: Saying) => void;
  /** Something happened between the messages. */
  noted: (note: NoteText) => void;
  /** An own message was given up. */
  failed: (failed: FailedMessage) => void;
}

/** Everything that one session tells its reader, from the moment at which it is opened. */
export class Conversation {
  readonly session: TandemSession;
  readonly transcript: Transcript;
  readonly history: HistoryLoader;
  readonly names = new Names();
  readonly receipts = new Receipts();
  readonly typists: TypingReader;
  readonly writer: TypingWriter;

  private readonly events: ConversationEvents;
  private readonly offs: (() => void)[];
  private wasHost: boolean;
  private readTo = 0;

  constructor(session: TandemSession, events: ConversationEvents, now: () => number) {
    this.session = session;
    this.events = events;
    this.transcript = new Transcript(session.lastSeq);
    this.history = new HistoryLoader(session, this.transcript, events.changed, now);
    this.typists = new TypingReader(now);
    this.writer = new TypingWriter((isTyping) => this.tellTyping(isTyping), now);
    this.wasHost = session.isHost;
    this.transcript.setQueue(session.queue);
    this.lookAtPeople();
    this.offs = this.listen();
    this.history.want('older');
  }

  /** Reads up to the newest message: its reader has it on the screen. */
  markRead(): void {
    // History may be ahead of what was handed out, and only that counts.
    const seq = Math.min(this.transcript.highest, this.session.lastSeq);
    if (seq <= this.readTo || this.session.ended !== null || this.session.isClosed) return;
    this.readTo = seq;
    this.session.markRead(seq);
  }

  discard({ id }: FailedMessage): void {
    this.transcript.dropFailed(id);
    this.events.changed();
  }

  stop(): void {
    this.history.stop();
    for (const off of this.offs.splice(0)) off();
  }

  private listen(): (() => void)[] {
    const { session, transcript, events } = this;
    const { changed } = events;
    return [
      session.on('message', (message) => this.receive(sayingOf(message))),
      session.on('undecipherable', (event) => this.receive(unreadableSaying(event, session.participantId))),
      session.on('gap', (gap) => {
        transcript.lose(gap);
        changed();
      }),
      session.on('reset', ({ afterSeq }) => {
        events.noted(transcript.reset(afterSeq));
        this.readTo = Math.min(this.readTo, afterSeq);
        changed();
      }),
      session.on('sent', (sent) => {
        transcript.store(sent);
        changed();
      }),
      session.on('failed', (failed) => {
        transcript.fail(failed);
        events.failed(failed);
        changed();
      }),
      session.on('queue', (queue) => {
        transcript.setQueue(queue);
        changed();
      }),
      session.on('joined', ({ participant }) => {
        this.names.see(participant);
        this.note({ kind: 'joined', name: participant.name });
        changed();
      }),
      session.on('left', ({ participantId, participant, reason }) => {
        const name = participant?.name ?? this.names.of(participantId);
        this.typists.heard(participantId, false);
        this.note({ kind: 'left', name, reason });
        changed();
      }),
      session.on('signal', ({ from, type, body }) => {
        if (type !== 'typing' || typeof body !== 'boolean' || !this.isPeer(from)) return;
        this.typists.heard(from, body);
        changed();
      }),
      session.on('changed', () => {
        this.lookAtPeople();
        this.history.nudge();
        changed();
      }),
      session.on('closed', changed),
      session.on('ended', changed),
    ];
  }

  private receive(saying: Saying): void {
    // Who has said it is not typing it any more.
    this.typists.heard(saying.from, false);
    const isNew = this.transcript.receive(saying);
    if (isNew && !saying.isOwn) this.events.heard(saying);
    this.events.changed();
  }

  private note(note: NoteText): void {
    this.transcript.note(note);
    this.events.noted(note);
  }

  private lookAtPeople(): void {
    const { session, wasHost } = this;
    const { participants, shareHistory } = session.info;
    for (const participant of participants) this.names.see(participant);
    this.receipts.update(participants, session.participantId, shareHistory);
    this.wasHost = session.isHost;
    if (session.isHost && !wasHost) this.note({ kind: 'now_host' });
  }

  private tellTyping(isTyping: boolean): void {
    const { session } = this;
    const isHeard = session.info.participants.some(({ id, presence }) => this.isPeer(id) && presence === 'online');
    if (!isHeard || session.isClosed || session.ended !== null) return;
    // Nobody misses a signal that did not leave.
    session.signal('typing', isTyping).catch(() => undefined);
  }

  private isPeer(id: string): boolean {
    return id !== this.session.participantId && this.session.info.participants.some((peer) => peer.id === id);
  }
}
