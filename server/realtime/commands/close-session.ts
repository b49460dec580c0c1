import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function closeSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:close',
    schema: schemas.empty,
    handle: async (connection) => {
      await sessions.close(seatOf(connection));
      return {};
    },
  });
}
