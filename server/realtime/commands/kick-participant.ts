import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function kickParticipant({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:kick',
    schema: schemas.kick,
    handle: async (connection, { participantId }) => {
      await sessions.kick(seatOf(connection), participantId.toLowerCase());
      return {};
    },
  });
}
