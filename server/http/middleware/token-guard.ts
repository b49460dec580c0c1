import type { IncomingMessage, ServerResponse } from 'node:http';
import { TandemError } from '../../../protocol/errors.ts';
import { isSameSecret } from '../../auth/same-secret.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { bearerToken } from './bearer-token.ts';
import { contextOf } from './request-context.ts';

export interface TokenGuardOptions {
  metrics: Metrics;
  logger: Logger;
  clientIp: (request: IncomingMessage) => ClientIp;
}

/** Throws `UNAUTHENTICATED` unless the request carries the token; where none is configured, none is right. */
export type TokenGuard = (
  request: IncomingMessage,
  response: ServerResponse,
  name: 'admin' | 'metrics',
  expected: string | null,
) => void;

export function createTokenGuard({ metrics, logger, clientIp }: TokenGuardOptions): TokenGuard {
  return (request, response, name, expected) => {
    const token = bearerToken(request);
    if (token !== null && expected !== null && isSameSecret(token, expected)) return;
    const { requestId } = contextOf(response);
    metrics.auth('rejected');
    logger.warn('auth_failed', { requestId, ip: clientIp(request).address, reason: `${name}_token` });
    const detail =
      expected === null
        ? `This server has no ${name} token: its operator sets ${name.toUpperCase()}_TOKEN.`
        : `Send the ${name} token as Authorization: Bearer.`;
    throw new TandemError('UNAUTHENTICATED', detail);
  };
}
