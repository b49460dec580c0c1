import { Router } from 'express';
import { negotiateMetrics } from '../../observability/metrics-exposition.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { TokenGuard } from '../middleware/token-guard.ts';
import { resource } from './resource.ts';

export interface MetricsRouteOptions {
  metrics: Metrics;
  guard: TokenGuard;
  /** Null: anybody may read the metrics. */
  metricsToken: string | null;
}

export function metricsRoutes({ metrics, guard, metricsToken }: MetricsRouteOptions): Router {
  const router = Router();
  resource(router, '/metrics', {
    GET: async (request, response) => {
      if (metricsToken !== null) guard(request, response, 'metrics', metricsToken);
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
