import { Router, type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { TandemError, type ErrorCode } from '../../../protocol/errors.ts';
import { inspectJson } from '../../../protocol/json.ts';
import { issuesOf } from '../../sessions/payloads.ts';
import { BODY_DEPTH } from '../middleware/json-body.ts';
import { contextOf } from '../middleware/request-context.ts';
import { methods, type Guard, type Method } from '../routes/resource.ts';
import type { Caller, IdentifyCaller } from './caller.ts';
import type { RequestLog } from './request-log.ts';
import type { ApiRoute } from './route.ts';
import type { CountRequest, RequestEnd, SettleRequest, Tier } from './tier.ts';

export interface ApiRouterOptions {
  identify: IdentifyCaller;
  count: CountRequest;
  log: RequestLog;
}

const TIERS_OF_CREDENTIALS: ReadonlySet<Tier> = new Set<Tier>(['auth', 'caller_and_misses']);
const WRONG_CREDENTIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNAUTHENTICATED', 'INVALID_CREDENTIALS']);
/** Nothing was tried, or nobody can tell what came of it. */
const VOID: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INVALID_PAYLOAD', 'UNAVAILABLE', 'INTERNAL']);

/**
 * Serves these routes. Who calls is asked first, then the limit of the caller, then body and parameters are read. Only the
 * limit of credentials comes last: what is malformed has guessed nothing.
 */
export function apiRouter(routes: readonly ApiRoute[], options: ApiRouterOptions): Router {
  const router = Router();
  const byPath = new Map<string, ApiRoute[]>();
  for (const route of routes) byPath.set(route.path, [...(byPath.get(route.path) ?? []), route]);
  for (const [path, group] of byPath) {
    const admitted = new WeakMap<Request, Caller>();
    const handlers: Partial<Record<Method, RequestHandler>> = {};
    const guards: Partial<Record<Method, Guard>> = {};
    for (const route of group) {
      guards[route.method] = (request, response) =>
        telling(options, request, response, async () => {
          const caller = await identify(options, route, request, response);
          if (!TIERS_OF_CREDENTIALS.has(route.tier)) await options.count(response, route.tier, caller);
          admitted.set(request, caller);
        });
      handlers[route.method] = (request, response) =>
        telling(options, request, response, () => answer(options, route, request, response, admitted.get(request)));
    }
    const pattern = path.replaceAll(/\{(\w+)\}/g, ':$1');
    router.all(pattern, methods(pattern, handlers, guards));
  }
  return router;
}

/** Limits refuse in several places: operators hear of all of them. */
async function telling(
  { log }: ApiRouterOptions,
  request: Request,
  response: Response,
  serve: () => Promise<void>,
): Promise<void> {
  try {
    await serve();
  } catch (error) {
    if (error instanceof TandemError && error.code === 'RATE_LIMITED') log.rateLimited(request, response, error);
    throw error;
  }
}

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
  options: ApiRouterOptions,
  route: ApiRoute,
  request: Request,
  response: Response,
  caller: Caller | undefined,
): Promise<void> {
  if (caller === undefined) throw new Error(`${route.name} was reached without its guard`);
  const parsed = {
    params: parse(route.params, request.params, 'path'),
    query: parse(route.query, request.query, 'query'),
    body: parse(route.body, request.body ?? {}, ''),
  };
  const isOfCredentials = TIERS_OF_CREDENTIALS.has(route.tier);
  const settle = isOfCredentials ? await options.count(response, route.tier, caller) : nothing;
  const { requestId } = contextOf(response);
  const userAgent = request.get('User-Agent')?.slice(0, 256) ?? null;
  let result: unknown;
  try {
    result = await route.run({ caller, ...parsed, requestId, userAgent, raw: request });
  } catch (error) {
    const end = endOf(error);
    if (end === 'failed') options.log.authFailed(request, response, whyFailed(error) ?? route.name);
    await settle(end);
    throw error;
  }
  if (isOfCredentials) options.log.authPassed();
  response.status(route.status);
  if (route.answer === null) response.end();
  else response.json(result);
}

/** For operators, and for nobody who sent credentials. */
function whyFailed(error: unknown): string | null {
  return error instanceof TandemError && error.cause instanceof Error ? error.cause.message : null;
}

const nothing: SettleRequest = () => Promise.resolve();

function endOf(error: unknown): RequestEnd {
  const code = error instanceof TandemError ? error.code : 'INTERNAL';
  if (WRONG_CREDENTIALS.has(code)) return 'failed';
  return VOID.has(code) ? 'void' : 'answered';
}

/** Without a schema there must be nothing. A parameter that comes twice is an array, which no schema takes. */
function parse(schema: z.ZodObject | null, value: unknown, part: string): unknown {
  const given = value ?? {};
  if (schema === null) {
    const [first] = typeof given === 'object' ? Object.keys(given) : [];
    if (first === undefined || part === 'path') return {};
    throw invalid([{ path: pathOf(part, first), message: 'nothing is expected here' }]);
  }
  const issue = inspectJson(given, BODY_DEPTH);
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
