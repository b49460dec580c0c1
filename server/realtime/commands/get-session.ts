import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function getSession({ sessions }: Services): Command {
  return defineCommand({
    name: 'session:get',
    schema: schemas.empty,
    handle: (connection) => sessions.get(seatOf(connection)),
  });
}
