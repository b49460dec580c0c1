import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '../../observability/metrics.ts';
import { requestIdOf } from '../../observability/request-id.ts';
import type { Span, Tracing } from '../../observability/span.ts';

/** What is known of a request while it runs. */
export interface RequestContext {
  requestId: string;
  /** The pattern of the route that took it; metrics are told this and never the URL. */
  route: string;
  /** Null: this request is not traced. */
  readonly span: Span | null;
}

/** Label of a status when the caller went away before the answer, as nginx has it. */
const CLIENT_GONE = 499;

/** How long the rest of a body is read and thrown away after the request was answered without it. */
const DISCARD_MS = 5000;

/** Asked every few seconds by machines: nobody looks for these in a trace. */
const UNTRACED = /^\/(?:api\/v1\/health|health|metrics)(?:[/?]|$)/;

const contexts = new WeakMap<ServerResponse, RequestContext>();

/** Before all handlers: names the request, and measures it when it is over. */
export function openContext(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: Metrics,
  tracing: Tracing | null = null,
): void {
  const startedAt = performance.now();
  const requestId = requestIdOf(request.headers['x-request-id']);
  const span = tracing === null ? null : spanOf(request, tracing);
  const context: RequestContext = { requestId, route: 'unmatched', span };
  contexts.set(response, context);
  response.setHeader('X-Request-Id', context.requestId);
  response.once('finish', () => {
    if (!request.complete) discardRest(request);
  });
  response.once('close', () => {
    const status = response.writableFinished ? response.statusCode : CLIENT_GONE;
    metrics.httpRequest(request.method ?? '', context.route, status, (performance.now() - startedAt) / 1000);
    const { method = '' } = request;
    const { route } = context;
    span?.end({ method, route, status }, `${method} ${route}`);
  });
}

function spanOf({ method = '', url = '', headers }: IncomingMessage, tracing: Tracing): Span | null {
  return UNTRACED.test(url) ? null : tracing.begin('server', method, headers['traceparent']);
}

export function contextOf(response: ServerResponse): RequestContext {
  const context = contexts.get(response);
  if (context === undefined) throw new Error('the request has no context: openContext comes before all handlers');
  return context;
}

/**
 * Node.js reads the rest of an unwanted body and throws it away. Closing at once instead could cost the caller the
 * answer, because unread bytes turn the close into a reset; going on without a bound would serve an endless body.
 */
function discardRest(request: IncomingMessage): void {
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, DISCARD_MS);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
}
