import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TandemError } from '../../../protocol/errors.ts';
import { isLimitName } from '../../../protocol/limits.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { contextOf } from '../middleware/request-context.ts';

export interface RequestLogOptions {
  logger: Logger;
  metrics: Pick<Metrics, 'auth' | 'rateLimited'>;
  clientIp: (request: IncomingMessage) => ClientIp;
}

/** What operators hear of requests that bring credentials, and of those that are too many. */
export interface RequestLog {
  authPassed(): void;
  /** `access_token` was counted by whoever verified it. */
  authFailed(request: IncomingMessage, response: ServerResponse, reason: string): void;
  rateLimited(request: IncomingMessage, response: ServerResponse, error: TandemError): void;
}

export function createRequestLog({ logger, metrics, clientIp }: RequestLogOptions): RequestLog {
  const say = (
    event: 'auth_failed' | 'rate_limit_exceeded',
    request: IncomingMessage,
    response: ServerResponse,
    fields: { reason?: string; limit?: string | undefined },
  ): void => {
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
