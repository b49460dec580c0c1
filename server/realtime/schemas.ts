import { z } from 'zod';
import type { PayloadIssue } from '../../protocol/errors.ts';
import { SIZES } from '../../protocol/limits.ts';
import type { JsonObject, JsonValue } from '../../protocol/session.ts';

/** Shapes of what clients send. Depth, NUL and surrogates were looked at before, for the whole payload at once. */

const uuid = z.guid({ error: 'expected a UUID' });
const seq = z.int({ error: 'expected a whole number up to 2^53 - 1' }).min(0);
const empty = z.strictObject({});

/** 1 to 64 characters as people count them: code points, not UTF-16 units. */
const name = z.string().refine(
  (text) => {
    const length = Array.from(text).length;
    return length >= 1 && length <= SIZES.nameCharacters;
  },
  { error: `expected 1 to ${SIZES.nameCharacters} characters` },
);

const key = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'expected 16 to 64 characters of A-Z a-z 0-9 _ -');
const messageId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'expected 8 to 64 characters of A-Z a-z 0-9 _ -');
const type = z.string().regex(/^[a-z0-9._:-]{1,64}$/, 'expected 1 to 64 characters of a-z 0-9 . _ : -');

/** Any JSON value that is there: null and "" are values, undefined is not. */
const json = z.custom<JsonValue>((value) => value !== undefined, { error: 'expected a JSON value' });

const metadata = z
  .custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'expected an object',
  })
  .refine((value) => jsonBytes(value) <= SIZES.metadata, { error: `expected at most ${SIZES.metadata} bytes of JSON` });

/** A body with its text: measured once, and stored as it was measured. */
function bodyUpTo(maxBytes: number) {
  return json.transform((body, context) => {
    const bodyJson = JSON.stringify(body);
    if (Buffer.byteLength(bodyJson) > maxBytes) {
      context.addIssue({ code: 'custom', message: `expected at most ${maxBytes} bytes of JSON` });
      return z.NEVER;
    }
    return { body, bodyJson };
  });
}

const signalBody = z
  .custom<JsonValue | Uint8Array>((value) => value !== undefined, { error: 'expected a JSON value or a Buffer' })
  .refine((value) => (value instanceof Uint8Array ? value.byteLength : jsonBytes(value)) <= SIZES.signalBody, {
    error: `expected at most ${SIZES.signalBody} bytes`,
  });

export const schemas = {
  create: z.strictObject({
    name: name.optional(),
    capacity: z.int().min(2).max(50).default(2),
    metadata: metadata.optional(),
    approval: z.boolean().default(false),
    shareHistory: z.boolean().default(false),
    key: key.optional(),
  }),
  // The code itself is read by the domain, because a typed code that can't be one counts as a miss.
  join: z.strictObject({ code: z.string().max(64), name: name.optional(), key: key.optional() }),
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

/** The faults of a payload, as the catalogue's `issues`; at most ten: hostile input may have thousands. */
export function issuesOf(error: z.ZodError): PayloadIssue[] {
  return error.issues.slice(0, 10).map(({ path, message }) => ({
    path: path.map(String).join('.').slice(0, 100),
    message: message.slice(0, 200),
  }));
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
