import { schemas } from '../schemas.ts';
import { callerOf, defineCommand, type Command, type Services } from './command.ts';

export function createSession({ seating }: Services): Command {
  return defineCommand({
    name: 'session:create',
    schema: schemas.create,
    changesSeat: true,
    handle: (connection, { name, capacity, metadata, approval, shareHistory, key }) =>
      seating.create(callerOf(connection), {
        name: name ?? null,
        capacity,
        metadata: metadata ?? {},
        approval,
        shareHistory,
        key: key ?? null,
      }),
  });
}
