import type { SessionService } from '../../sessions/session-service.ts';
import { schemas } from '../schemas.ts';
import { defineCommand, type Command, type Services } from './command.ts';

type RefreshServices = Pick<Services, 'signedIn'> & { sessions: Pick<SessionService, 'noteActivity'> };

export function refreshToken({ signedIn, sessions }: RefreshServices): Command {
  return defineCommand({
    name: 'auth:refresh',
    schema: schemas.refresh,
    handle: async (connection, { token }) => {
      await signedIn.refresh(connection, token);
      const { seat } = connection;
      // The connection goes on under the fresh token, whether or not the session can hear of it now.
      if (seat !== null) await sessions.noteActivity(seat).catch(() => undefined);
      return {};
    },
  });
}
