import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function leaveSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:leave',
    schema: schemas.empty,
    changesSeat: true,
    handle: async (connection) => {
      await sessions.leave(seatOf(connection));
      return {};
    },
  });
}
