/** What may come from outside, at whichever edge. Depth, NUL and surrogates were looked at before, for the whole payload at once. */
import { z } from 'zod';
import type { PayloadIssue } from '../../protocol/errors.ts';
import { SIZES } from '../../protocol/limits.ts';
import type { JsonObject, JsonValue } from '../../protocol/session.ts';

export const uuid = z.guid({ error: 'expected a UUID' });
export const seq = z.int({ error: 'expected a whole number up to 2^53 - 1' }).min(0);

/** 1 to 64 characters as people count them: code points, not UTF-16 units. */
export const name = z.string().refine(
  (text) => {
    const length = Array.from(text).length;
    return length >= 1 && length <= SIZES.nameCharacters;
  },
  { error: `expected 1 to ${SIZES.nameCharacters} characters` },
);

export const key = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'expected 16 to 64 characters of A-Z a-z 0-9 _ -');
export const messageId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'expected 8 to 64 characters of A-Z a-z 0-9 _ -');
export const type = z.string().regex(/^[a-z0-9._:-]{1,64}$/, 'expected 1 to 64 characters of a-z 0-9 . _ : -');

/** Any JSON value that is there: null and "" are values, undefined is not. */
const json = z.custom<JsonValue>((value) => value !== undefined, { error: 'expected a JSON value' });

export const metadata = z
  .custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'expected an object',
  })
  .refine((value) => jsonBytes(value) <= SIZES.metadata, { error: `expected at most ${SIZES.metadata} bytes of JSON` });

/** A body with its text: measured once, and stored as it was measured. */
export function bodyUpTo(maxBytes: number) {
  return json.transform((body, context) => {
    const bodyJson = JSON.stringify(body);
    if (Buffer.byteLength(bodyJson) > maxBytes) {
      context.addIssue({ code: 'custom', message: `expected at most ${maxBytes} bytes of JSON` });
      return z.NEVER;
    }
    return { body, bodyJson };
  });
}

export const capacity = z.int().min(2).max(50).default(2);

/** The faults of a payload, as the catalogue's `issues`; at most ten: hostile input may have thousands. */
export function issuesOf(error: z.ZodError): PayloadIssue[] {
  return error.issues.slice(0, 10).map(({ path, message }) => ({
    path: path.map(String).join('.').slice(0, 100),
    message: message.slice(0, 200),
  }));
}

export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
