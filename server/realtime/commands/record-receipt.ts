import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function recordReceipt({ messages }: Services): Command {
  return defineCommand({
    name: 'message:receipt',
    schema: schemas.receipt,
    handle: async (connection, { delivered, read }) => {
      await messages.receipt(seatOf(connection), {
        ...(delivered === undefined ? {} : { delivered }),
        ...(read === undefined ? {} : { read }),
      });
      return {};
    },
  });
}
