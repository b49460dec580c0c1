import type { IncomingMessage, ServerResponse } from 'node:http';
import { TandemError, type ErrorCode } from '../../protocol/errors.ts';
import { problemOf } from '../../protocol/problem.ts';
import type { Logger } from '../observability/logger.ts';
import { contextOf } from './middleware/request-context.ts';
import { sendProblem } from './problem.ts';

/** What the libraries in front of the routes call their refusals, in our words. */
const DETAILS: Readonly<Record<string, string>> = {
  // Of `send`: a file that was there a moment ago.
  'file.missing': 'There is no such file.',
  'entity.parse.failed': 'The body is not valid JSON.',
  'entity.too.large': 'The body must not be larger than 64 KiB.',
  'request.size.invalid': 'The body is not as long as Content-Length says.',
  'request.aborted': 'The body ended too early.',
};

const CODE_OF_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [404, 'UNKNOWN_COMMAND'],
  [405, 'METHOD_NOT_ALLOWED'],
  [413, 'PAYLOAD_TOO_LARGE'],
  [415, 'UNSUPPORTED_MEDIA_TYPE'],
]);

export type ErrorResponder = (thrown: unknown, request: IncomingMessage, response: ServerResponse) => void;

/** Turns whatever was thrown into a problem document: the end of the app, so that Express writes no HTML. */
export function createErrorResponder(logger: Logger): ErrorResponder {
  return (thrown, request, response) => {
    const error = toTandemError(thrown);
    const { requestId, route } = contextOf(response);
    if (error.code === 'INTERNAL') logger.error('internal_error', { requestId, route, error: error.cause ?? error });
    if (response.headersSent) {
      // Half an answer can only be broken off.
      request.socket.destroy();
      return;
    }
    sendProblem(response, problemOf(error, requestId));
  };
}

/**
 * Express, body-parser and send throw errors with a `status`. Their messages repeat parts of the request, so that only
 * the kind of the error is passed on.
 */
function toTandemError(thrown: unknown): TandemError {
  if (thrown instanceof TandemError) return thrown;
  const { status, type } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>;
  if (typeof status !== 'number' || status < 400 || status > 499) {
    return new TandemError('INTERNAL', undefined, { cause: thrown });
  }
  const detail = typeof type === 'string' ? DETAILS[type] : undefined;
  return new TandemError(CODE_OF_STATUS.get(status) ?? 'INVALID_PAYLOAD', detail, { cause: thrown });
}
