import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function readHistory({ messages }: Services): Command {
  return defineCommand({
    name: 'message:history',
    schema: schemas.history,
    handle: async (connection, { afterSeq, beforeSeq, limit }) => {
      // Neither: the newest ones, which are those before a seq that no session reaches.
      const range =
        afterSeq === undefined ? { beforeSeq: beforeSeq ?? Number.MAX_SAFE_INTEGER, limit } : { afterSeq, limit };
      return { ...(await messages.history(seatOf(connection), range)) };
    },
  });
}
