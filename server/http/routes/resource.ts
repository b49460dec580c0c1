import type { Request, RequestHandler, Response, Router } from 'express';
import { TandemError } from '../../../protocol/errors.ts';
import { readJsonBody } from '../middleware/json-body.ts';
import { contextOf } from '../middleware/request-context.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A body that comes with these means nothing (RFC 9110, 9.3.1), and is thrown away unread. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** What is decided before the body is read. Throws the refusal. */
export type Guard = (request: Request, response: Response) => Promise<void>;

/** One route with all of its methods. */
export function resource(router: Router, pattern: string, handlers: Partial<Record<Method, RequestHandler>>): void {
  router.all(pattern, methods(pattern, handlers));
}

/**
 * HEAD goes with GET, OPTIONS tells the methods, and any other is refused with `Allow` instead of looking like a route
 * that does not exist. Only then is the body looked at, and of GET none is read. `label` is what metrics call the route.
 */
export function methods(
  label: string,
  handlers: Partial<Record<Method, RequestHandler>>,
  guards: Partial<Record<Method, Guard>> = {},
): RequestHandler {
  const byMethod = new Map<string, RequestHandler>(Object.entries(handlers));
  const get = byMethod.get('GET');
  if (get !== undefined) byMethod.set('HEAD', get);
  const guardOf = new Map<string, Guard>(Object.entries(guards));
  if (guards.GET !== undefined) guardOf.set('HEAD', guards.GET);
  const allow = [...byMethod.keys(), 'OPTIONS'].join(', ');
  return async (request, response, next) => {
    contextOf(response).route = label;
    const handler = byMethod.get(request.method);
    if (handler !== undefined) {
      await guardOf.get(request.method)?.(request, response);
      if (!BODILESS.has(request.method)) await readJsonBody(request, response);
      await handler(request, response, next);
      return;
    }
    response.setHeader('Allow', allow);
    if (request.method !== 'OPTIONS') throw new TandemError('METHOD_NOT_ALLOWED', `Use one of ${allow}.`);
    response.status(204).end();
  };
}
