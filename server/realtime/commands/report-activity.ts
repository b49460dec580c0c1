import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function reportActivity({ messages }: Services): Command {
  return defineCommand({
    name: 'activity:report',
    schema: schemas.activity,
    handle: async (connection, { state }) => {
      await messages.reportActivity(seatOf(connection), state);
      return {};
    },
  });
}
