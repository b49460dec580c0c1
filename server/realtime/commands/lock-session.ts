import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function lockSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:lock',
    schema: schemas.lock,
    handle: async (connection, { locked }) => ({ session: await sessions.lock(seatOf(connection), locked) }),
  });
}
