import { schemas } from '../schemas.ts';
import { defineCommand, type Command, type Services } from './command.ts';

export function refreshToken({ signedIn }: Services): Command {
  return defineCommand({
    name: 'auth:refresh',
    schema: schemas.refresh,
    handle: async (connection, { token }) => {
      await signedIn.refresh(connection, token);
      return {};
    },
  });
}
