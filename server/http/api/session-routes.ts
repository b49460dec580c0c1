import { z } from 'zod';
import type { Session } from '../../../protocol/session.ts';
import type { BackendService } from '../../sessions/backend-service.ts';
import type { HistoryPage } from '../../sessions/history.ts';
import { bodyUpTo, capacity, messageId, metadata, type, uuid } from '../../sessions/payloads.ts';
import type { LogRange } from '../../sessions/ports.ts';
import type { SessionDirectory } from '../../sessions/session-directory.ts';
import { iso } from '../../sessions/iso.ts';
import { defineRoute, type ApiRoute } from './route.ts';
import {
  historyQuery,
  historyShape,
  idParams,
  pageQuery,
  sessionListShape,
  sessionShape,
  sessionStatus,
} from './shapes.ts';

export interface SessionRouteOptions {
  directory: SessionDirectory;
  backend: BackendService;
  maxBodyBytes: number;
}

/** Sessions for backends, and for those who look back at theirs. */
export function sessionRoutes({ directory, backend, maxBodyBytes }: SessionRouteOptions): ApiRoute[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/sessions/by-code/{code}',
      name: 'lookAtCode',
      summary: 'What may be known of a session before joining it; a guess counts as a join that missed',
      who: 'anyone',
      // Of any length: one that can't be a code counts as a miss.
      params: z.object({ code: z.string() }),
      answer: z.object({
        status: sessionStatus,
        capacity: z.int(),
        participants: z.int(),
        locked: z.boolean(),
        approval: z.boolean(),
      }),
      errors: ['SESSION_NOT_FOUND'],
      handle: ({ params, caller }) => directory.summary(params.code, caller.ip.bucket),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/me/sessions',
      name: 'listOwnSessions',
      summary: 'Sessions in which the user has a seat or had one',
      who: 'user',
      query: pageQuery.strict(),
      answer: sessionListShape,
      handle: async ({ caller, query }) => {
        const userId = caller.identity?.userId ?? '';
        const page = await directory.listOfUser(userId, pageOf(query));
        return { sessions: page.items.map((session) => seenBy(userId, session)), nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/sessions',
      name: 'createSession',
      summary: 'A session for participants to come; the first to join is its host',
      who: 'key',
      body: z.strictObject({
        capacity,
        metadata: metadata.optional(),
        approval: z.boolean().default(false),
        shareHistory: z.boolean().default(false),
      }),
      status: 201,
      answer: z.object({ session: sessionShape, code: z.string().nullable() }),
      handle: async ({ body }) => {
        const session = await backend.open({ ...body, metadata: body.metadata ?? {} });
        return { session, code: session.code };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/sessions',
      name: 'listSessions',
      summary: 'All sessions, newest first',
      who: 'key',
      query: pageQuery.extend({ status: sessionStatus.optional() }).strict(),
      answer: sessionListShape,
      handle: async ({ query }) => {
        const page = await directory.list(query.status ?? null, pageOf(query));
        return { sessions: [...page.items], nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/sessions/{id}',
      name: 'getSession',
      summary: 'One session, open or closed',
      who: 'key',
      params: idParams,
      answer: z.object({ session: sessionShape }),
      errors: ['SESSION_NOT_FOUND'],
      handle: async ({ params }) => ({ session: await directory.look(params.id) }),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/sessions/{id}',
      name: 'closeSession',
      summary: 'Closes a session for ever; one that is closed stays so',
      who: 'key',
      params: idParams,
      errors: ['SESSION_NOT_FOUND'],
      handle: ({ params }) => backend.close(params.id),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/sessions/{id}/messages',
      name: 'readMessages',
      summary: 'Messages of a session, as message:history; also of a closed one',
      who: 'user_or_key',
      params: idParams,
      query: historyQuery,
      answer: historyShape,
      errors: ['SESSION_NOT_FOUND', 'FORBIDDEN'],
      handle: ({ params, query, caller: { identity } }): Promise<HistoryPage> =>
        identity === null
          ? directory.messages(params.id, rangeOf(query))
          : directory.messagesFor(identity.userId, params.id, rangeOf(query)),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/sessions/{id}/messages',
      name: 'sendMessage',
      summary: 'Sends a message as the server; the same id again is not sent twice',
      who: 'key',
      params: idParams,
      body: z.strictObject({ id: messageId, type: type.default('text'), body: bodyUpTo(maxBodyBytes) }),
      status: 201,
      answer: z.object({
        id: z.string(),
        seq: z.int(),
        sentAt: z.string(),
        epoch: z.int(),
        durableSeq: z.int(),
        duplicate: z.boolean(),
      }),
      errors: ['SESSION_NOT_FOUND', 'SESSION_CLOSED', 'ID_REUSED'],
      handle: async ({ params, body: { id, type: messageType, body } }) => {
        const sent = await backend.send(params.id, { id, type: messageType, ...body });
        return { id, ...sent, sentAt: iso(sent.sentAt) };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/sessions/{id}/participants/{participantId}',
      name: 'kickParticipant',
      summary: 'Removes a participant for good, the host too',
      who: 'key',
      params: idParams.extend({ participantId: uuid.transform((id) => id.toLowerCase()) }),
      errors: ['SESSION_NOT_FOUND', 'SESSION_CLOSED'],
      handle: ({ params }) => backend.kick(params.id, params.participantId),
    }),
  ];
}

/** Who has left gets no code: that of `session:reopen` is there to keep former participants out. */
function seenBy(userId: string, session: Session): Session {
  const isIn = session.participants.some((participant) => participant.userId === userId);
  return isIn ? session : { ...session, code: null, codeExpiresAt: null, participants: [] };
}

function pageOf({ cursor, limit }: { cursor?: string | undefined; limit: number }) {
  return { cursor: cursor ?? null, limit };
}

/** Neither: the newest ones, which are those before a seq that no session reaches. */
function rangeOf({ afterSeq, beforeSeq, limit }: z.output<typeof historyQuery>): LogRange {
  return afterSeq === undefined ? { beforeSeq: beforeSeq ?? Number.MAX_SAFE_INTEGER, limit } : { afterSeq, limit };
}
