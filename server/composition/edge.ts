/** Builds the HTTP interface on the domain. A part of the composition root. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { Backbone, HotState } from '../backbone/backbone.ts';
import type { Cache } from '../cache/cache.ts';
import type { Config } from '../config.ts';
import { reportConfig } from '../config/report.ts';
import type { OpenDurable } from '../durable/open-durable.ts';
import { accountRoutes } from '../http/api/account-routes.ts';
import { analyticsRoutes } from '../http/api/analytics-routes.ts';
import { createIdentifyCaller } from '../http/api/caller.ts';
import { debugRoutes } from '../http/api/debug-routes.ts';
import { mailRoutes } from '../http/api/mail-routes.ts';
import { webhookRoutes } from '../http/api/webhook-routes.ts';
import { createRequestLog } from '../http/api/request-log.ts';
import type { ApiRoute } from '../http/api/route.ts';
import { sessionRoutes } from '../http/api/session-routes.ts';
import { createCountRequest } from '../http/api/tier.ts';
import { createApp } from '../http/app.ts';
import { hardenServer, SERVER_OPTIONS } from '../http/harden-server.ts';
import { ignoreUpgrade, isWebSocketUpgrade } from '../http/ignore-upgrade.ts';
import { createTokenGuard } from '../http/middleware/token-guard.ts';
import type { InvitationService } from '../mail/invitation-service.ts';
import { publicOrigin } from '../mail/public-origin.ts';
import type { createClientIp } from '../limits/client-ip.ts';
import type { DetailedHealth } from '../observability/health-detailed.ts';
import type { Health } from '../observability/health.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/span.ts';
import type { Gateway } from '../realtime/gateway.ts';
import { CachedAnalytics } from '../sessions/cached-analytics.ts';
import { VERSION } from '../version.ts';
import type { Domain } from './domain.ts';
import type { IdentityRoom } from './identity.ts';

export interface EdgeParts {
  config: Config;
  durable: OpenDurable;
  backbone: Backbone;
  hot: HotState;
  gateway: Gateway;
  domain: Domain;
  identity: IdentityRoom;
  invitations: InvitationService;
  cache: Cache;
  health: Health;
  detailedHealth: DetailedHealth;
  webDir: string;
  clientIp: ReturnType<typeof createClientIp>;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing | null;
}

export function createEdge(parts: EdgeParts): HttpServer {
  const { config, backbone, gateway, identity, health, detailedHealth, webDir, clientIp, logger, metrics } = parts;
  const guard = createTokenGuard({ metrics, logger, clientIp });
  const log = createRequestLog({ metrics, logger, clientIp });
  const app = createApp({
    ...{ health, detailedHealth, metrics, logger, clientIp, guard, webDir },
    tracing: parts.tracing,
    adminToken: config.adminToken,
    metricsToken: config.metricsToken,
    corsOrigins: config.corsOrigins,
    isProduction: isProduction(config),
    api: {
      routes: routesOf(parts),
      version: VERSION,
      identify: createIdentifyCaller({
        authenticate: (token) => identity.authenticator.authenticate(token),
        apiKeys: config.apiKeys.map(({ name, sha256 }) => ({ name, hash: Buffer.from(sha256, 'hex') })),
        assertAdmin: (request, response) => guard(request, response, 'admin', config.adminToken),
        ...{ clientIp, log },
      }),
      count: createCountRequest({
        limits: backbone.limits,
        rules: config.limits,
        now: backbone.now,
      }),
      log,
    },
  });
  const http = createHttpServer(SERVER_OPTIONS, (request, response) => {
    if (gateway.isSocketRequest(request)) gateway.handleRequest(request, response);
    else {
      // Whoever keeps connections for later, as a balancer does, should not find this one cut off under its next request.
      if (gateway.isDraining) response.setHeader('Connection', 'close');
      app(request, response);
    }
  });
  const pipelined = hardenServer(http);
  http.on('upgrade', (request, socket, head) => {
    if (pipelined.closes(socket)) return;
    if (isWebSocketUpgrade(request)) gateway.handleUpgrade(request, socket, head);
    else ignoreUpgrade(http, request, socket);
  });
  return http;
}

function routesOf(parts: EdgeParts): ApiRoute[] {
  const { config, durable, backbone, hot, gateway, domain, identity, invitations, cache } = parts;
  const { directory, backend } = domain;
  const days = new CachedAnalytics(durable.store, cache, backbone.now);
  return [
    ...accountRoutes(identity),
    ...mailRoutes({
      ...{ invitations, directory },
      originOf: ({ socket }) =>
        publicOrigin({ publicUrl: config.publicUrl, isProduction: isProduction(config) }, socket),
    }),
    ...webhookRoutes(identity.webhook),
    ...sessionRoutes({ directory, backend, maxBodyBytes: config.messages.maxBytes }),
    ...analyticsRoutes({ analytics: (from, to) => days.analytics(from, to), now: backbone.now }),
    ...(config.debugApi
      ? debugRoutes({
          config: () => reportConfig(config),
          hotState: async () => ({ type: backbone.kind, durability: backbone.durability(), ...(await hot.inspect()) }),
          connections: (limit) => gateway.describe(limit),
          directory,
          limits: backbone.limits,
          rules: config.limits,
          timings: config.sessions,
        })
      : []),
  ];
}

function isProduction({ nodeEnv }: Config): boolean {
  return nodeEnv === 'production';
}
