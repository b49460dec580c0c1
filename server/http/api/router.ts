import { Router, type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { TandemError } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { SIZES } from '../../../protocol/limits.ts';
import { issuesOf } from '../../sessions/payloads.ts';
import { contextOf } from '../middleware/request-context.ts';
import { methods, type Method } from '../routes/resource.ts';
import type { Caller, IdentifyCaller } from './caller.ts';
import type { ApiRoute } from './route.ts';
import type { CountRequest, Uncount } from './tier.ts';

export interface ApiRouterOptions {
  identify: IdentifyCaller;
  count: CountRequest;
}

interface Admitted {
  readonly caller: Caller;
  readonly uncount: Uncount;
}

/**
 * Serves these routes. Who calls is asked first, then the limit of the caller, then body and parameters are read. Only the
 * limit of credentials comes last: what is malformed has guessed nothing.
 */
export function apiRouter(routes: readonly ApiRoute[], options: ApiRouterOptions): Router {
  const router = Router();
  const byPath = new Map<string, ApiRoute[]>();
  for (const route of routes) byPath.set(route.path, [...(byPath.get(route.path) ?? []), route]);
  for (const [path, group] of byPath) {
    const admitted = new WeakMap<Request, Admitted>();
    const handlers: Partial<Record<Method, RequestHandler>> = {};
    const guards: Partial<Record<Method, (request: Request, response: Response) => Promise<void>>> = {};
    for (const route of group) {
      guards[route.method] = async (request, response) => {
        const caller = await identify(options, route, request, response);
        const uncount = route.tier === 'auth' ? nothing : await options.count(response, route.tier, caller);
        admitted.set(request, { caller, uncount });
      };
      handlers[route.method] = (request, response) => answer(options, route, request, response, admitted.get(request));
    }
    const pattern = path.replaceAll(/\{(\w+)\}/g, ':$1');
    router.all(pattern, methods(pattern, handlers, guards));
  }
  return router;
}

const nothing: Uncount = () => Promise.resolve();

/** Who sends wrong credentials counts as somebody of that address: there is no end to what could be tried otherwise. */
async function identify(
  { identify: ask, count }: ApiRouterOptions,
  { who, tier }: ApiRoute,
  request: Request,
  response: Response,
): Promise<Caller> {
  try {
    return await ask(request, response, who);
  } catch (error) {
    if (error instanceof TandemError && error.code === 'UNAUTHENTICATED' && tier !== 'none') {
      await count(response, 'caller', await ask(request, response, 'stranger'));
    }
    throw error;
  }
}

async function answer(
  { count }: ApiRouterOptions,
  route: ApiRoute,
  request: Request,
  response: Response,
  admitted: Admitted | undefined,
): Promise<void> {
  if (admitted === undefined) throw new Error(`${route.name} was reached without its guard`);
  const parsed = {
    params: parse(route.params, request.params, 'path'),
    query: parse(route.query, request.query, 'query'),
    body: parse(route.body, request.body ?? {}, ''),
  };
  const { caller } = admitted;
  const uncount = route.tier === 'auth' ? await count(response, 'auth', caller) : admitted.uncount;
  const { requestId } = contextOf(response);
  const userAgent = request.get('User-Agent')?.slice(0, 256) ?? null;
  let result: unknown;
  try {
    result = await route.run({ caller, ...parsed, requestId, userAgent, uncount, raw: request });
  } catch (error) {
    if (route.tier === 'auth' && error instanceof TandemError && error.code === 'INVALID_PAYLOAD') await uncount();
    throw error;
  }
  response.status(route.status);
  if (route.answer === null) response.end();
  else response.json(result);
}

/** Without a schema there must be nothing. A parameter that comes twice is an array, which no schema takes. */
function parse(schema: z.ZodObject | null, value: unknown, part: string): unknown {
  const given = value ?? {};
  if (schema === null) {
    const [first] = typeof given === 'object' ? Object.keys(given) : [];
    if (first === undefined || part === 'path') return {};
    throw invalid([{ path: pathOf(part, first), message: 'nothing is expected here' }]);
  }
  const issue = inspectJson(given, SIZES.depth);
  if (issue !== null) throw invalid([{ ...issue, path: pathOf(part, issue.path) }]);
  const parsed = schema.safeParse({ ...given });
  if (parsed.success) return parsed.data;
  throw invalid(issuesOf(parsed.error).map((found) => ({ ...found, path: pathOf(part, found.path) })));
}

function pathOf(part: string, path: string): string {
  return part === '' ? path : `${part}.${path}`;
}

function invalid(issues: ReturnType<typeof issuesOf>): TandemError {
  return new TandemError('INVALID_PAYLOAD', undefined, { issues });
}
