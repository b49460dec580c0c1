import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TandemError } from '../../../protocol/errors.ts';
import { isLimitName } from '../../../protocol/limits.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import { SlidingWindow } from '../../limits/sliding-window.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { contextOf } from '../middleware/request-context.ts';

/** A flood of refusals must not become a flood of lines; the metrics count them all. */
const LINES_PER_SECOND = 10;

export interface RequestLogOptions {
  logger: Logger;
  metrics: Pick<Metrics, 'auth' | 'rateLimited'>;
  clientIp: (request: IncomingMessage) => ClientIp;
  now: () => number;
}

/** What operators hear of requests that bring credentials, and of those that are too many. */
export interface RequestLog {
  authPassed(): void;
  /** `access_token` was counted by whoever verified it. */
  authFailed(request: IncomingMessage, response: ServerResponse, reason: string): void;
  rateLimited(request: IncomingMessage, response: ServerResponse, error: TandemError): void;
}

export function createRequestLog({ logger, metrics, clientIp, now }: RequestLogOptions): RequestLog {
  const lines = { auth_failed: new SlidingWindow(), rate_limit_exceeded: new SlidingWindow() };
  const say = (
    event: keyof typeof lines,
    request: IncomingMessage,
    response: ServerResponse,
    fields: { reason?: string; limit?: string | undefined },
  ): void => {
    if (lines[event].waitMs(LINES_PER_SECOND, 1000, now()) > 0) return;
    lines[event].take(now());
    logger.info(event, { requestId: contextOf(response).requestId, ip: clientIp(request).address, ...fields });
  };
  return {
    authPassed: () => metrics.auth('ok'),
    authFailed: (request, response, reason) => {
      if (reason !== 'access_token') metrics.auth('rejected');
      say('auth_failed', request, response, { reason });
    },
    rateLimited: (request, response, { limit }) => {
      if (isLimitName(limit?.name)) metrics.rateLimited(limit.name);
      say('rate_limit_exceeded', request, response, { limit: limit?.name });
    },
  };
}
