import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { Method } from '../routes/resource.ts';
import type { Caller, Who } from './caller.ts';
import type { Tier } from './tier.ts';

/** One request, parsed: what its handler works on. */
export interface ApiRequest<P, Q, B> {
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly requestId: string;
  readonly userAgent: string | null;
  /** For what is not in the schemas. */
  readonly raw: IncomingMessage;
}

/** A route of the HTTP interface: what the router checks, what the handler does, and what the OpenAPI document says. */
export interface ApiRoute {
  readonly method: Method;
  /** As OpenAPI has it: `/api/v1/sessions/{id}`. */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly who: Who;
  readonly tier: Tier;
  readonly params: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  readonly body: z.ZodObject | null;
  /** Status of a success, and what it carries; null: nothing. */
  readonly status: 200 | 201 | 202 | 204;
  readonly answer: z.ZodType | null;
  /** Codes of the catalogue that it answers with, beyond those that any route may. */
  readonly errors: readonly ErrorCode[];
  run(request: ApiRequest<unknown, unknown, unknown>): Promise<unknown>;
}

type Shape = z.ZodObject | undefined;
type Result<A> = A extends z.ZodType ? Promise<z.input<A>> : Promise<void>;
type Output<S extends Shape> = S extends z.ZodObject ? z.output<S> : Record<string, never>;

export interface ApiRouteSpec<P extends Shape, Q extends Shape, B extends Shape, A extends z.ZodType | undefined> {
  method: Method;
  path: string;
  /** The operation's id, unique. */
  name: string;
  summary: string;
  who: Who;
  /** `caller` unless given. */
  tier?: Tier;
  params?: P;
  query?: Q;
  body?: B;
  status?: ApiRoute['status'];
  answer?: A;
  errors?: readonly ErrorCode[];
  handle(request: ApiRequest<Output<P>, Output<Q>, Output<B>>): Result<A>;
}

export function defineRoute<
  P extends Shape = undefined,
  Q extends Shape = undefined,
  B extends Shape = undefined,
  A extends z.ZodType | undefined = undefined,
>(spec: ApiRouteSpec<P, Q, B, A>): ApiRoute {
  const { method, path, name, summary, who, tier = 'caller', params, query, body, answer, errors = [] } = spec;
  return {
    ...{ method, path, name, summary, who, tier, errors },
    params: params ?? null,
    query: query ?? null,
    body: body ?? null,
    answer: answer ?? null,
    status: spec.status ?? (answer === undefined ? 204 : 200),
    // What the router hands over is what these schemas returned.
    run: (request) => spec.handle(request as ApiRequest<Output<P>, Output<Q>, Output<B>>),
  };
}
