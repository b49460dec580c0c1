import { schemas } from '../schemas.ts';
import { callerOf, defineCommand, type Command, type Services } from './command.ts';

export function joinSession({ seating }: Services): Command {
  return defineCommand({
    name: 'session:join',
    schema: schemas.join,
    changesSeat: true,
    // While the deployment is guessed at, every join waits 2 s before it is looked at.
    deadlineMs: 4000,
    handle: (connection, { code, name, key }) =>
      seating.join(callerOf(connection), { code, name: name ?? null, key: key ?? null }),
  });
}
