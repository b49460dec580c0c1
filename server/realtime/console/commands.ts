import type { z } from 'zod';
import type { ConsoleCommandName, ConsoleCommands, SessionRow } from '../../../protocol/console.ts';
import { TandemError } from '../../../protocol/errors.ts';
import type { Session } from '../../../protocol/session.ts';
import type { AccountService } from '../../auth/account-service.ts';
import type { SignOut } from '../../auth/sign-out.ts';
import type { BackendService } from '../../sessions/backend-service.ts';
import type { StoredLeftSeat } from '../../sessions/ports.ts';
import { invalid } from '../../sessions/refusals.ts';
import type { SessionDirectory } from '../../sessions/session-directory.ts';
import { iso } from '../../sessions/iso.ts';
import type { schemas } from './schemas.ts';

export interface ConsoleServices {
  readonly directory: Pick<SessionDirectory, 'list' | 'lookOn' | 'left' | 'timeline'>;
  readonly backend: Pick<BackendService, 'close' | 'kick'>;
  readonly accounts: Pick<AccountService, 'find' | 'loginsOf'>;
  readonly signOut: Pick<SignOut, 'endUser' | 'endLoginOf'>;
}

export interface ConsoleCommandOptions extends ConsoleServices {
  /** Resolves when that instance has said that it stops. Throws `INVALID_PAYLOAD`, `UNAVAILABLE`. */
  readonly drain: (instanceId: string) => Promise<void>;
}

/** What an operator did, for the log. */
export interface OperatorAction {
  readonly sessionId?: string;
  readonly participantId?: string;
  /** The instance or the user that it was done to. */
  readonly target?: string;
  /** The one device of that user; none: all of them. */
  readonly loginId?: string;
}

/** One command: its answer, and what it did where it changed something. */
export type ConsoleHandlers = {
  readonly [C in ConsoleCommandName]: {
    run(payload: z.output<(typeof schemas)[C]>): Promise<ConsoleCommands[C]['result']>;
    action?(payload: z.output<(typeof schemas)[C]>): OperatorAction;
  };
};

export function createConsoleCommands(options: ConsoleCommandOptions): ConsoleHandlers {
  const { directory, backend, accounts, signOut, drain } = options;
  return {
    'console:sessions': {
      run: async ({ status, search, cursor, limit }) => {
        const page = { cursor: cursor ?? null, limit };
        const { items, nextCursor } = await directory.list(status ?? null, page, searchIn(search));
        return { sessions: items.map(rowOf), nextCursor };
      },
    },
    'console:session': {
      run: async ({ sessionId }) => {
        const session = await directory.lookOn(sessionId);
        // A code is a key: whoever reads along on a screen could join by it.
        return { session: { ...session, code: null, codeExpiresAt: null }, left: await leftOf(directory, sessionId) };
      },
    },
    'console:timeline': {
      run: async ({ sessionId, cursor, limit }) => {
        const { items, nextCursor } = await directory.timeline(sessionId, { cursor: cursor ?? null, limit });
        return { events: items.map(({ at, ...event }) => ({ at: iso(at), ...event })), nextCursor };
      },
    },
    'console:close': {
      run: async ({ sessionId }) => {
        await backend.close(sessionId);
        return {};
      },
      action: ({ sessionId }) => ({ sessionId }),
    },
    'console:kick': {
      run: async ({ sessionId, participantId }) => {
        await backend.kick(sessionId, participantId);
        return {};
      },
      action: ({ sessionId, participantId }) => ({ sessionId, participantId }),
    },
    'console:drain': {
      run: async ({ instanceId }) => {
        await drain(instanceId);
        return {};
      },
      action: ({ instanceId }) => ({ target: instanceId }),
    },
    'console:logins': {
      run: async ({ user: asked }) => {
        const user = await accounts.find(asked);
        if (user === null) throw invalid('user', 'there is no account with this id or e-mail address');
        const logins = await accounts.loginsOf(user.id);
        return {
          user: { id: user.id, name: user.name, createdAt: iso(user.createdAt) },
          logins: logins.map(({ id, ip, userAgent, createdAt, lastUsedAt }) => {
            return { id, ip, userAgent, createdAt: iso(createdAt), lastUsedAt: iso(lastUsedAt) };
          }),
        };
      },
    },
    'console:sign_out': {
      run: async ({ userId, loginId }) => {
        if (loginId === undefined) await signOut.endUser(userId);
        else if (!(await signOut.endLoginOf(userId, loginId))) {
          throw invalid('loginId', 'no device of this user is signed in under this id');
        }
        return {};
      },
      action: ({ userId, loginId }) => ({ target: userId, ...(loginId === undefined ? {} : { loginId }) }),
    },
  };
}

/** An empty field of a form asks for everything. */
function searchIn(text: string | undefined): string | null {
  const search = text?.trim() ?? '';
  return search === '' ? null : search;
}

function rowOf({ id, status, createdAt, participants, capacity, locked, lastSeq }: Session): SessionRow {
  return {
    ...{ id, status, createdAt, capacity, locked, lastSeq },
    participants: participants.length,
    online: participants.filter(({ presence }) => presence === 'online').length,
    names: participants.flatMap(({ name }) => (name === null ? [] : [name])),
  };
}

type Left = ConsoleCommands['console:session']['result']['left'];

/** Without its database an open session is still there to be looked at; the timeline says that the rest is away. */
async function leftOf(directory: ConsoleServices['directory'], sessionId: string): Promise<Left> {
  try {
    return (await directory.left(sessionId)).map(leftParticipant);
  } catch (error) {
    if (error instanceof TandemError && error.code === 'UNAVAILABLE') return [];
    throw error;
  }
}

function leftParticipant({ left, joinedAt, ...seat }: StoredLeftSeat): Left[number] {
  return {
    participant: { ...seat, joinedAt: iso(joinedAt), presence: 'away', state: 'idle' },
    reason: left.reason,
    at: iso(left.at),
  };
}
