import { Router, type RequestHandler, type Response } from 'express';
import type { Health } from '../../observability/health.ts';
import { resource } from './resource.ts';

/** Health for orchestrators and balancers. `/health` and `/api/v1/health` are the same report. */
export function healthRoutes(health: Health): Router {
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
  return router;
}

function send(response: Response, status: number, report: object): void {
  response.status(status).set('Cache-Control', 'no-store').json(report);
}
