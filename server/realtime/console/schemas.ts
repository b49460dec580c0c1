import { z } from 'zod';
import type { ConsoleCommandName } from '../../../protocol/console.ts';
import { uuid } from '../../sessions/payloads.ts';

/** Shapes of what a console sends. Depth, NUL and surrogates were looked at before, for the whole payload at once. */

/** Ids of ours are in lower case; whoever types one may write it otherwise. */
const id = uuid.transform((text) => text.toLowerCase());
const cursor = z.string().min(1).max(256).optional();
const limit = z.int().min(1).max(100).default(50);
/** Longer than any name or id. */
const search = z.string().max(128);

export const schemas = {
  'console:sessions': z.strictObject({
    status: z.enum(['waiting', 'paired', 'closed']).optional(),
    search: search.optional(),
    cursor,
    limit,
  }),
  'console:session': z.strictObject({ sessionId: id }),
  'console:timeline': z.strictObject({ sessionId: id, cursor, limit }),
  'console:close': z.strictObject({ sessionId: id }),
  'console:kick': z.strictObject({ sessionId: id, participantId: id }),
  'console:drain': z.strictObject({ instanceId: z.string().min(1).max(100) }),
  'console:logins': z.strictObject({ user: z.string().min(1).max(320) }),
  // A user of a foreign issuer has whatever id that one gives, as long as a token takes it.
  'console:sign_out': z.strictObject({ userId: z.string().min(1).max(256), loginId: id.optional() }),
} satisfies Record<ConsoleCommandName, z.ZodType>;

export const handshake = z.strictObject({ token: z.string().optional() });
