import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function admitKnock({ seating }: Services): Command {
  return defineCommand({
    name: 'session:admit',
    schema: schemas.admit,
    handle: async (connection, { knockId, admit }) => {
      await seating.answerKnock(seatOf(connection), knockId.toLowerCase(), admit);
      return {};
    },
  });
}
