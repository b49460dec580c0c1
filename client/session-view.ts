import type { Events } from '../protocol/events.ts';
import type { CloseReason, Participant, Session } from '../protocol/session.ts';

/** The session as this participant knows it, kept up to date by events. */
export class SessionView {
  info: Session;
  closeReason: CloseReason | null = null;
  closesAt: string | null = null;
  /** Everybody who was ever seen: who has left is still told by name. */
  readonly #seen = new Map<string, Participant>();

  constructor(info: Session) {
    this.info = info;
    this.set(info);
  }

  set(info: Session): void {
    this.info = info;
    for (const participant of info.participants) this.#seen.set(participant.id, participant);
  }

  participant(id: string): Participant | null {
    return this.info.participants.find((participant) => participant.id === id) ?? null;
  }

  lastSeen(id: string): Participant | null {
    return this.#seen.get(id) ?? null;
  }

  presence({ participantId, presence }: Events['session:presence']): void {
    this.#change(participantId, () => ({ presence }));
  }

  activity({ participantId, state }: Events['session:activity']): void {
    this.#change(participantId, () => ({ state }));
  }

  receipt({ participantId, delivered, read }: Events['message:receipt']): void {
    // Two reports may overtake each other on their way.
    this.#change(participantId, (known) => ({
      delivered: Math.max(known.delivered, delivered),
      read: Math.max(known.read, read),
    }));
  }

  close(reason: CloseReason | null): void {
    this.info = { ...this.info, status: 'closed', code: null };
    this.closeReason ??= reason;
    this.closesAt = null;
  }

  #change(id: string, changed: (participant: Participant) => Partial<Participant>): void {
    const participants = this.info.participants.map((participant) =>
      participant.id === id ? { ...participant, ...changed(participant) } : participant,
    );
    this.set({ ...this.info, participants });
  }
}
