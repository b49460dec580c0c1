import { ERRORS, type ErrorCode, type LimitInfo, type PayloadIssue, type TandemError } from './errors.ts';

/** An error as HTTP tells it (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  retryAfterMs?: number;
  /** Of `RATE_LIMITED`. */
  limit?: LimitInfo;
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
  if (error.limit !== undefined) problem.limit = error.limit;
  if (error.issues !== undefined) problem.issues = error.issues;
  return problem;
}
