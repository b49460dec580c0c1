import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import express, { type Request, type Response, type Router } from 'express';
import { TandemError } from '../../protocol/errors.ts';
import type { DetailedHealth } from '../observability/health-detailed.ts';
import type { Health } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/span.ts';
import { createErrorResponder } from './error-handler.ts';
import { cors } from './middleware/cors.ts';
import { hostGuard } from './middleware/host-guard.ts';
import { pathGuard } from './middleware/path-guard.ts';
import { openContext } from './middleware/request-context.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import type { TokenGuard } from './middleware/token-guard.ts';
import type { ApiRoute } from './api/route.ts';
import { apiRouter, type ApiRouterOptions } from './api/router.ts';
import { OPENAPI_PATH, openApiOf } from './api/openapi.ts';
import { resource } from './routes/resource.ts';
import { noRoute } from './no-route.ts';
import { healthRoutes } from './routes/health.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { pageRoutes } from './routes/pages.ts';

export interface AppOptions {
  health: Health;
  detailedHealth: DetailedHealth;
  metrics: Metrics;
  logger: Logger;
  /** Null unless given: nothing is traced. */
  tracing?: Tracing | null;
  guard: TokenGuard;
  /** Directory of the built pages; what is missing in it is a 404. */
  webDir: string;
  /** Null: nobody may read what is an operator's. */
  adminToken: string | null;
  /** Null: anybody may read the metrics. */
  metricsToken: string | null;
  /** Origins other than our own that may read the API. */
  corsOrigins: '*' | readonly string[];
  isProduction: boolean;
  api: ApiRouterOptions & { routes: readonly ApiRoute[]; version: string };
}

/** Everything that is spoken over HTTP. The order of the handlers is the order of the checks. */
export function createApp(options: AppOptions): RequestListener {
  const { health, detailedHealth, metrics, logger, guard, adminToken, metricsToken } = options;
  const app = express();
  app.disable('x-powered-by');
  // Repeated and bracketed parameters stay what they are, so that a route can refuse them.
  app.set('query parser', 'simple');

  app.use(...securityHeaders(options.isProduction));
  app.use(hostGuard, pathGuard);
  app.use(['/api', '/health'], cors(options.corsOrigins));
  app.use('/api', (_request, response, next) => {
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  app.use(healthRoutes({ health, detailedHealth, guard, adminToken }));
  app.use(metricsRoutes({ metrics, guard, metricsToken }));
  app.use(apiRoutes(options.api));
  app.use(pageRoutes(resolve(options.webDir)));
  app.use((request, _response, next) => {
    next(new TandemError('UNKNOWN_COMMAND', noRoute(request)));
  });

  const respond = createErrorResponder(logger);
  // Also what no route can be looked up for, such as the target `http://[/`: Express gives that up before its first
  // handler, and would answer with HTML by itself.
  const giveUp = (request: IncomingMessage, response: ServerResponse) => (thrown?: unknown) =>
    respond(thrown ?? new TandemError('INVALID_PAYLOAD', 'The request target is not a path.'), request, response);
  return (request, response) => {
    openContext(request, response, metrics, options.tracing);
    // Express makes its own request and response of the two, by setting their prototypes.
    app(request as Request, response as Response, giveUp(request, response));
  };
}

/** The interface and its description, which is made once, for the first who asks: it takes longer than all else of a start. */
function apiRoutes({ routes, version, ...options }: AppOptions['api']): Router {
  const router = apiRouter(routes, options);
  let document: ReturnType<typeof openApiOf> | null = null;
  resource(router, OPENAPI_PATH, {
    GET: (_request, response) => void response.json((document ??= openApiOf(routes, version))),
  });
  return router;
}
