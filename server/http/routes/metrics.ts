import { Router } from 'express';
import { TandemError } from '../../../protocol/errors.ts';
import type { ClientIp } from '../../limits/client-ip.ts';
import type { IncomingMessage } from 'node:http';
import type { Logger } from '../../observability/logger.ts';
import { negotiateMetrics } from '../../observability/metrics-exposition.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { bearerToken, isSameSecret } from '../middleware/bearer-token.ts';
import { contextOf } from '../middleware/request-context.ts';
import { resource } from './resource.ts';

export interface MetricsRouteOptions {
  metrics: Metrics;
  logger: Logger;
  clientIp: (request: IncomingMessage) => ClientIp;
  /** Null: anybody may read the metrics. */
  metricsToken: string | null;
}

export function metricsRoutes({ metrics, logger, clientIp, metricsToken }: MetricsRouteOptions): Router {
  const router = Router();
  resource(router, '/metrics', {
    GET: async (request, response) => {
      if (metricsToken !== null) {
        const token = bearerToken(request);
        if (token === null || !isSameSecret(token, metricsToken)) {
          const { requestId } = contextOf(response);
          metrics.auth('rejected');
          logger.warn('auth_failed', { requestId, ip: clientIp(request).address, reason: 'metrics_token' });
          throw new TandemError('UNAUTHENTICATED', 'Send the metrics token as Authorization: Bearer.');
        }
      }
      response.set('Cache-Control', 'no-store').vary('Accept');
      const accept = request.get('Accept');
      if (negotiateMetrics(accept) === 'json') {
        response.json(metrics.json());
        return;
      }
      const { contentType, body } = await metrics.text(accept);
      // `end` and not `send`: Express would order the parameters of the content type anew.
      response.setHeader('Content-Type', contentType);
      response.setHeader('Content-Length', Buffer.byteLength(body));
      response.end(body);
    },
  });
  return router;
}
