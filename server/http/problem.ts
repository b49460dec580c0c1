import type { ServerResponse } from 'node:http';
import { ERRORS, type ErrorCode, type PayloadIssue, type TandemError } from '../../protocol/errors.ts';

/** An error as HTTP tells it (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  retryAfterMs?: number;
  issues?: PayloadIssue[];
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** `status` only where HTTP has a finer one than the catalogue, such as 431. */
export function createProblem(
  code: ErrorCode,
  requestId: string,
  detail: string = ERRORS[code].title,
  status: number = ERRORS[code].status,
): Problem {
  return { type: `urn:tandem:error:${code}`, title: ERRORS[code].title, status, detail, code, requestId };
}

/** The problem document of an error. What went wrong inside is not the caller's: `INTERNAL` has a constant detail. */
export function problemOf(error: TandemError, requestId: string): Problem {
  const problem = createProblem(error.code, requestId, error.code === 'INTERNAL' ? undefined : error.message);
  if (error.retryAfterMs !== undefined) problem.retryAfterMs = error.retryAfterMs;
  if (error.issues !== undefined) problem.issues = error.issues;
  return problem;
}

/** Answers with a problem. Headers that were meant for another answer are taken back. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  for (const name of ['ETag', 'Last-Modified', 'Content-Encoding', 'Content-Range']) response.removeHeader(name);
  const body = JSON.stringify(problem);
  response.statusCode = problem.status;
  response.setHeader('Content-Type', PROBLEM_TYPE);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (problem.status === 401 && !response.hasHeader('WWW-Authenticate')) {
    response.setHeader('WWW-Authenticate', 'Bearer realm="tandem"');
  }
  if (problem.retryAfterMs !== undefined) {
    response.setHeader('Retry-After', Math.max(1, Math.ceil(problem.retryAfterMs / 1000)));
  }
  // Node.js leaves the body out of an answer to HEAD.
  response.end(body);
}
