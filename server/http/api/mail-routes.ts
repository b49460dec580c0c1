import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Session } from '../../../protocol/session.ts';
import type { InvitationService } from '../../mail/invitation-service.ts';
import { uuid } from '../../sessions/payloads.ts';
import { refused } from '../../sessions/refusals.ts';
import type { SessionDirectory } from '../../sessions/session-directory.ts';
import type { Caller } from './caller.ts';
import { defineRoute, type ApiRoute } from './route.ts';

export interface MailRouteOptions {
  invitations: InvitationService;
  directory: Pick<SessionDirectory, 'look'>;
  /** Where the link of an invitation leads; null: nobody knows. */
  originOf: (request: IncomingMessage) => string | null;
}

export function mailRoutes({ invitations, directory, originOf }: MailRouteOptions): ApiRoute[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/send-email',
      name: 'sendInvitation',
      summary: 'Invites somebody to a session by mail: its host, or a backend',
      who: 'user_or_key',
      body: z.strictObject({
        sessionId: uuid.transform((id) => id.toLowerCase()),
        to: z.string().max(1024).meta({ format: 'email' }),
        note: z.string().max(1024).meta({ maxLength: 200 }).optional(),
      }),
      status: 202,
      answer: z.strictObject({}),
      errors: ['SESSION_NOT_FOUND', 'SESSION_FULL', 'SESSION_LOCKED', 'SESSION_CLOSED', 'FORBIDDEN'],
      handle: async ({ body: { sessionId, to, note }, caller, raw }) => {
        invitations.assertConfigured();
        const session = await directory.look(sessionId);
        const sender = senderOf(caller, session);
        const ip = caller.ip.bucket;
        await invitations.invite({ session, sender, ip, origin: originOf(raw), to, note: note ?? null });
        return {};
      },
    }),
  ];
}

/** A backend may invite to any session, a user as its host alone. */
function senderOf({ identity, keyName }: Caller, { participants }: Session): { kind: 'user' | 'key'; id: string } {
  if (keyName !== null) return { kind: 'key', id: keyName };
  const own = participants.filter(({ userId }) => userId !== null && userId === identity?.userId);
  if (identity === null || own.length === 0) throw refused('no_such_session');
  if (!own.some(({ role }) => role === 'host')) throw refused('not_host');
  return { kind: 'user', id: identity.userId };
}
