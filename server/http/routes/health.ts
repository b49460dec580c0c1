import { Router, type RequestHandler, type Response } from 'express';
import type { DetailedHealth } from '../../observability/health-detailed.ts';
import type { Health } from '../../observability/health.ts';
import type { TokenGuard } from '../middleware/token-guard.ts';
import { resource } from './resource.ts';

export interface HealthRouteOptions {
  health: Health;
  detailedHealth: DetailedHealth;
  guard: TokenGuard;
  /** Null: nobody may read the detailed report. */
  adminToken: string | null;
}

/** Health for orchestrators, balancers and operators. `/health` and `/api/v1/health` are the same report. */
export function healthRoutes({ health, detailedHealth, guard, adminToken }: HealthRouteOptions): Router {
  const router = Router();
  const summary: RequestHandler = (_request, response) => {
    const report = health.summary();
    send(response, report.status === 'unhealthy' ? 503 : 200, report);
  };
  resource(router, '/health/live', { GET: (_request, response) => send(response, 200, health.live()) });
  resource(router, '/health/ready', {
    GET: (_request, response) => {
      const report = health.ready();
      send(response, report.status === 'ready' ? 200 : 503, report);
    },
  });
  resource(router, '/health', { GET: summary });
  resource(router, '/api/v1/health', { GET: summary });
  resource(router, '/health/detailed', {
    GET: async (request, response) => {
      guard(request, response, 'admin', adminToken);
      const report = await detailedHealth.report();
      send(response, report.status === 'unhealthy' ? 503 : 200, report);
    },
  });
  return router;
}

function send(response: Response, status: number, report: object): void {
  response.status(status).set('Cache-Control', 'no-store').json(report);
}
