import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import express, { type RequestHandler } from 'express';
import { TandemError, type PayloadIssue } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { SIZES } from '../../../protocol/limits.ts';

const MAX_BODY_BYTES = 64 * 1024;

/**
 * Reads the body of an API request. What gets past it is absent or one JSON object, uncompressed, in UTF-8, of at most
 * 64 KiB, not deeper than 32, and without what Postgres or a prototype would choke on.
 */
export function jsonBody(): RequestHandler[] {
  return [
    checkHeaders,
    express.json({
      // Decompressing before anybody is known is a way to exhaust memory (CVE-2026-111497).
      inflate: false,
      limit: MAX_BODY_BYTES,
      strict: true,
      // Decided above: a type that the parser reads otherwise must not get past it unread.
      type: () => true,
      verify: (_request, _response, bytes) => {
        // The parser would put U+FFFD for bytes that are not UTF-8, and change what was sent.
        if (!isUtf8(bytes)) throw invalid('the body is not UTF-8');
      },
    }),
    checkValue,
  ];
}

const checkHeaders: RequestHandler = (request, _response, next) => {
  if (!hasBody(request)) {
    next();
  } else if (request.headers['content-encoding'] !== undefined) {
    next(new TandemError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without Content-Encoding.'));
  } else if (!isJsonType(request.headers['content-type'])) {
    next(new TandemError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json in UTF-8.'));
  } else if (Number(request.headers['content-length']) > MAX_BODY_BYTES) {
    // The parser would read such a body to its end before it refuses it.
    next(new TandemError('PAYLOAD_TOO_LARGE', 'The body must not be larger than 64 KiB.'));
  } else {
    next();
  }
};

const checkValue: RequestHandler = (request, _response, next) => {
  const body: unknown = request.body;
  if (body === undefined) {
    next();
    return;
  }
  const issue = Array.isArray(body)
    ? { path: '', message: 'expected an object, received an array' }
    : (inspectJson(body, SIZES.depth) ?? pollution(body));
  next(issue === null ? undefined : invalid(issue.message, issue.path));
};

function invalid(message: string, path = ''): TandemError {
  return new TandemError('INVALID_PAYLOAD', undefined, { issues: [{ path, message }] });
}

function hasBody({ headers }: IncomingMessage): boolean {
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
