import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function leaveSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:leave',
    schema: schemas.empty,
    changesSeat: true,
    handle: async (connection, _payload, { hasWithdrawn }) => {
      if (hasWithdrawn && connection.seat === null) return {};
      await sessions.leave(seatOf(connection));
      return {};
    },
  });
}
