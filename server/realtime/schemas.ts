import { z } from 'zod';
import { SIZES } from '../../protocol/limits.ts';
import type { JsonValue } from '../../protocol/session.ts';
import {
  bodyUpTo,
  capacity,
  jsonBytes,
  key,
  messageId,
  metadata,
  name,
  seq,
  type,
  uuid,
} from '../sessions/payloads.ts';

/** Shapes of what clients send. Depth, NUL and surrogates were looked at before, for the whole payload at once. */

const empty = z.strictObject({});

const signalBody = z
  .custom<JsonValue | Uint8Array>((value) => value !== undefined, { error: 'expected a JSON value or a Buffer' })
  .refine((value) => (value instanceof Uint8Array ? value.byteLength : jsonBytes(value)) <= SIZES.signalBody, {
    error: `expected at most ${SIZES.signalBody} bytes`,
  });

export const schemas = {
  create: z.strictObject({
    name: name.optional(),
    capacity,
    metadata: metadata.optional(),
    approval: z.boolean().default(false),
    shareHistory: z.boolean().default(false),
    key: key.optional(),
  }),
  // The code itself is read by the domain, because a typed code that can't be one counts as a miss, however long it is.
  join: z.strictObject({ code: z.string(), name: name.optional(), key: key.optional() }),
  admit: z.strictObject({ knockId: uuid, admit: z.boolean() }),
  empty,
  kick: z.strictObject({ participantId: uuid }),
  lock: z.strictObject({ locked: z.boolean() }),
  send: (maxBytes: number) => z.strictObject({ id: messageId, body: bodyUpTo(maxBytes), type: type.default('text') }),
  history: z
    .strictObject({
      afterSeq: seq.optional(),
      beforeSeq: seq.optional(),
      limit: z.int().min(1).max(SIZES.historyLimit).default(50),
    })
    .refine(({ afterSeq, beforeSeq }) => afterSeq === undefined || beforeSeq === undefined, {
      error: 'expected afterSeq or beforeSeq, not both',
    }),
  receipt: z
    .strictObject({ delivered: seq.optional(), read: seq.optional() })
    .refine(({ delivered, read }) => delivered !== undefined || read !== undefined, {
      error: 'expected delivered or read',
    }),
  signal: z.strictObject({ type, body: signalBody, to: uuid.optional() }),
  activity: z.strictObject({ state: z.enum(['active', 'idle']) }),
  refresh: z.strictObject({ token: z.string().min(1) }),
  handshake: z.strictObject({
    token: z.string().optional(),
    resume: z
      .strictObject({
        sessionId: uuid,
        participantId: uuid,
        resumeToken: z.string().min(1).max(256),
        epoch: seq,
        lastSeq: seq,
        lastId: messageId.optional(),
        durableSeq: seq.optional(),
      })
      .optional(),
  }),
};
