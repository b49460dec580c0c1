import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function reopenSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:reopen',
    schema: schemas.empty,
    handle: async (connection) => ({ session: await sessions.reopen(seatOf(connection)) }),
  });
}
