import type { HandshakeAuth } from '../../protocol/commands.ts';
import type { SelfWithToken, Session } from '../../protocol/session.ts';
import type { Client } from './client.ts';

/** A participant of a test: the connection it came with, and what it needs to come back. */
export interface Seat {
  client: Client;
  session: Session;
  self: SelfWithToken;
}

type Resume = NonNullable<HandshakeAuth['resume']>;

/** The handshake of a seat's return. Without a position: as one that has seen nothing. */
export function resumeOf(
  { session, self }: Pick<Seat, 'session' | 'self'>,
  position: Partial<Resume> = {},
): {
  resume: Resume;
} {
  return {
    resume: {
      sessionId: session.id,
      participantId: self.participantId,
      resumeToken: self.resumeToken,
      epoch: session.epoch,
      lastSeq: 0,
      ...position,
    },
  };
}
