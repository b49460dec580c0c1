import type { ServerResponse } from 'node:http';
import { PROBLEM_TYPE, type Problem } from '../../protocol/problem.ts';

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
