import { schemas } from '../schemas.ts';
import { callerOf, defineCommand, type Command, type Services } from './command.ts';

export function joinSession({ seating }: Services): Command {
  return defineCommand({
    name: 'session:join',
    schema: schemas.join,
    changesSeat: true,
    handle: (connection, { code, name, key }, { extend, awaitHost }) => {
      const caller = { ...callerOf(connection), onDelay: extend, onKnock: awaitHost };
      return seating.join(caller, { code, name: name ?? null, key: key ?? null });
    },
  });
}
