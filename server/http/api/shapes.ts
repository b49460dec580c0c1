/** What the HTTP interface gives and takes, said once: answers are described by these, bodies and parameters parsed by them. */
import { z } from 'zod';
import { DURABILITIES } from '../../../protocol/session.ts';
import { uuid } from '../../sessions/payloads.ts';

const time = z.string().meta({ format: 'date-time' });
const seq = z.int().min(0);

export const participantShape = z
  .object({
    id: z.string(),
    role: z.enum(['host', 'guest']),
    name: z.string().nullable(),
    userId: z.string().nullable(),
    presence: z.enum(['online', 'away']),
    state: z.enum(['active', 'idle']),
    joinedAt: time,
    joinedSeq: seq,
    delivered: seq,
    read: seq,
  })
  .meta({ id: 'Participant' });

export const sessionStatus = z.enum(['waiting', 'paired', 'closed']);

export const sessionShape = z
  .object({
    id: z.string(),
    code: z.string().nullable(),
    status: sessionStatus,
    capacity: z.int(),
    locked: z.boolean(),
    approval: z.boolean(),
    shareHistory: z.boolean(),
    epoch: z.int(),
    lastSeq: seq,
    durableSeq: seq,
    durability: z.enum(DURABILITIES),
    createdAt: time,
    codeExpiresAt: time.nullable(),
    metadata: z.record(z.string(), z.unknown()),
    participants: z.array(participantShape),
  })
  .meta({ id: 'Session' });

export const messageShape = z
  .object({
    id: z.string(),
    seq: z.int().min(1),
    sessionId: z.string(),
    from: z.string().meta({ description: 'Participant id, or `server`' }),
    type: z.string(),
    body: z.unknown(),
    sentAt: time,
  })
  .meta({ id: 'Message' });

export const historyShape = z
  .object({
    messages: z.array(messageShape),
    hasMore: z.boolean(),
    lastSeq: seq,
    durableSeq: seq,
    epoch: z.int(),
  })
  .meta({ id: 'History' });

export const sessionListShape = z.object({ sessions: z.array(sessionShape), nextCursor: z.string().nullable() });

export const idParams = z.object({ id: uuid.transform((id) => id.toLowerCase()) });

/** Digits alone: what is written otherwise is a mistake, not a number. */
function wholeNumber(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, error)
    .transform(Number)
    .pipe(z.int().min(least, error).max(most, error));
}

export const limitParam = (most: number, usual: number) => wholeNumber(1, most).default(usual);
export const seqParam = wholeNumber(0, Number.MAX_SAFE_INTEGER);
export const cursorParam = z.string().min(1).max(256);

export const pageQuery = z.object({ cursor: cursorParam.optional(), limit: limitParam(200, 50) });

export const historyQuery = z
  .strictObject({ afterSeq: seqParam.optional(), beforeSeq: seqParam.optional(), limit: limitParam(200, 50) })
  .refine(({ afterSeq, beforeSeq }) => afterSeq === undefined || beforeSeq === undefined, {
    error: 'expected afterSeq or beforeSeq, not both',
  });
