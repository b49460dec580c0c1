import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { TandemError, type PayloadIssue } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { SIZES } from '../../../protocol/limits.ts';

const MAX_BODY_BYTES = 64 * 1024;
const TOO_LARGE = 'The body must not be larger than 64 KiB.';

/** What is sent is an object, so that each value in it, as the body of a message, may be as deep as over a socket. */
export const BODY_DEPTH = SIZES.depth + 1;

/** What was received, byte by byte: what is signed is this, and not what was read from it. */
const received = new WeakMap<IncomingMessage, Buffer>();

const parser: RequestHandler = express.json({
  // Decompressing before anybody is known is a way to exhaust memory (CVE-2026-111497).
  inflate: false,
  limit: MAX_BODY_BYTES,
  strict: true,
  // Decided before: a type that the parser reads otherwise must not get past it unread.
  type: () => true,
  verify: (request, _response, bytes) => {
    // The parser would put U+FFFD for bytes that are not UTF-8, and change what was sent.
    if (!isUtf8(bytes)) throw invalid('the body is not UTF-8');
    received.set(request, bytes);
  },
});
const parse = promisify<Request, Response>(parser);

/**
 * Reads the body into `request.body`; every route that takes a body has it read by this, through `resource`. What gets
 * past it is absent or one JSON object, uncompressed, in UTF-8, of at most 64 KiB, no value in it deeper than 32, and without what
 * Postgres or a prototype would choke on. Rejects with the refusal.
 */
export async function readJsonBody(request: Request, response: Response): Promise<void> {
  checkHeaders(request);
  await Promise.race([parse(request, response), tooLarge(request)]);
  checkValue(request.body);
}

/** Never resolves. The parser reads a body that is too large to its end before it refuses it, and chunks may have none. */
function tooLarge(request: IncomingMessage): Promise<never> {
  let bytes = 0;
  return new Promise((_resolve, reject) => {
    const count = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) return;
      request.off('data', count);
      reject(new TandemError('PAYLOAD_TOO_LARGE', TOO_LARGE));
    };
    // Only what is read at all: a listener alone would make a body flow that the parser left alone.
    if (hasBody(request.headers)) request.on('data', count);
  });
}

/** The bytes of a body that was read; none when there was none. */
export function bodyBytesOf(request: IncomingMessage): Buffer {
  return received.get(request) ?? Buffer.alloc(0);
}

function checkHeaders({ headers }: IncomingMessage): void {
  if (!hasBody(headers)) return;
  if (headers['content-encoding'] !== undefined) {
    throw new TandemError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without Content-Encoding.');
  }
  if (!isJsonType(headers['content-type'])) {
    throw new TandemError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json in UTF-8.');
  }
  if (Number(headers['content-length']) > MAX_BODY_BYTES) {
    // The parser would read such a body to its end before it refuses it.
    throw new TandemError('PAYLOAD_TOO_LARGE', TOO_LARGE);
  }
}

function checkValue(body: unknown): void {
  if (body === undefined) return;
  const issue = Array.isArray(body)
    ? { path: '', message: 'expected an object, received an array' }
    : (inspectJson(body, BODY_DEPTH) ?? pollution(body));
  if (issue !== null) throw invalid(issue.message, issue.path);
}

function invalid(message: string, path = ''): TandemError {
  return new TandemError('INVALID_PAYLOAD', undefined, { issues: [{ path, message }] });
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function isJsonType(contentType: string | undefined): boolean {
  return /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i.test(contentType ?? '');
}

/** Keys that reach a prototype when a careless merge meets them. Only after inspectJson, which bounds the depth. */
function pollution(value: unknown): PayloadIssue | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    if (key === '__proto__' || (key === 'constructor' && hasPrototype(inner))) {
      return { path: key, message: 'this key is not allowed' };
    }
    const issue = pollution(inner);
    if (issue !== null) return { path: `${key}.${issue.path}`.slice(0, 100), message: issue.message };
  }
  return null;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}
