import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../../protocol/errors.ts';
import { PROBLEM_TYPE } from '../../../protocol/problem.ts';
import { CONTENT_TYPES } from '../../observability/metrics-exposition.ts';
import type { Who } from './caller.ts';
import type { ApiRoute } from './route.ts';

type Json = Record<string, unknown>;

const SECURITY: Readonly<Record<Who, readonly Json[]>> = {
  stranger: [],
  anyone: [{}, { accessToken: [] }, { apiKey: [] }],
  user: [{ accessToken: [] }],
  key: [{ apiKey: [] }],
  admin: [{ adminToken: [] }],
  signed: [{ webhook: [] }],
  user_or_key: [{ accessToken: [] }, { apiKey: [] }],
};

/** Where the document itself is served. */
export const OPENAPI_PATH = '/api/v1/openapi.json';

const UNHEALTHY = { 503: 'The same report, of a server that is not well' };

/** What is served beside the table: for machines that look after servers, and the document itself. */
const PROBES = [
  { path: '/health', name: 'health', summary: 'How the server and its services are', others: UNHEALTHY },
  { path: '/api/v1/health', name: 'apiHealth', summary: 'The same as /health', others: UNHEALTHY },
  { path: '/health/live', name: 'healthLive', summary: 'Whether the process answers', others: {} },
  { path: '/health/ready', name: 'healthReady', summary: 'Whether clients may be sent here', others: UNHEALTHY },
  {
    path: '/health/detailed',
    name: 'healthDetailed',
    summary: 'All that operators ask of a server',
    others: UNHEALTHY,
    security: [{ adminToken: [] }],
  },
  {
    path: '/metrics',
    name: 'metrics',
    summary: 'Metrics for Prometheus, or as JSON; for everybody where no METRICS_TOKEN is set',
    others: {},
    texts: [CONTENT_TYPES.text, CONTENT_TYPES.openmetrics],
    security: [{}, { metricsToken: [] }],
  },
  { path: OPENAPI_PATH, name: 'openApi', summary: 'This document', others: {} },
] as const;

/**
 * The HTTP interface as OpenAPI 3.1, out of the table that the router serves: what a route parses and answers is what
 * stands here.
 */
export function openApiOf(routes: readonly ApiRoute[], version: string): Json {
  const paths: Record<string, Json> = {};
  const named: Json = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, named) };
  }
  for (const { path, ...probe } of PROBES) paths[path] = { get: probeOf(probe) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tandem',
      version,
      description:
        'Sessions for backends, accounts and devices for users. What participants say to each other goes over Socket.IO.',
    },
    paths,
    components: {
      schemas: {
        ...named,
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            code: { type: 'string', enum: Object.keys(ERRORS) },
            requestId: { type: 'string' },
            retryAfterMs: { type: 'number' },
            limit: {
              type: 'object',
              required: ['name', 'scope', 'points', 'durationSeconds'],
              properties: {
                name: { type: 'string' },
                scope: { type: 'string', enum: ['user', 'ip', 'connection', 'key', 'deployment'] },
                points: { type: 'integer' },
                durationSeconds: { type: 'number' },
              },
            },
            issues: {
              type: 'array',
              items: {
                type: 'object',
                required: ['path', 'message'],
                properties: { path: { type: 'string' }, message: { type: 'string' } },
              },
            },
          },
        },
      },
      securitySchemes: {
        accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        adminToken: { type: 'http', scheme: 'bearer' },
        metricsToken: { type: 'http', scheme: 'bearer' },
        webhook: { type: 'apiKey', in: 'header', name: 'webhook-signature' },
      },
    },
  };
}

function operationOf(route: ApiRoute, named: Json): Json {
  const { name, summary, body, status, answer } = route;
  const parameters = [...parametersOf(route.params, 'path', named), ...parametersOf(route.query, 'query', named)];
  return {
    operationId: name,
    summary,
    security: SECURITY[route.who],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null
      ? {}
      : {
          requestBody: {
            required: !body.safeParse({}).success,
            content: { 'application/json': { schema: schemaOf(body, 'input', named) } },
          },
        }),
    responses: {
      [status]: {
        description: STATUS_CODES[status] ?? '',
        ...(answer === null ? {} : { content: { 'application/json': { schema: schemaOf(answer, 'output', named) } } }),
      },
      ...problemsOf(codesOf(route)),
    },
  };
}

interface Probe {
  readonly name: string;
  readonly summary: string;
  /** Statuses besides 200, and what they mean. */
  readonly others: Readonly<Record<number, string>>;
  readonly security?: readonly Json[];
  /** Content types that a caller may ask for besides JSON. */
  readonly texts?: readonly string[];
}

function probeOf({ name, summary, others, security = [], texts = [] }: Probe): Json {
  const content = {
    'application/json': { schema: { type: 'object' } },
    ...Object.fromEntries(texts.map((type) => [mediaTypeOf(type), { schema: { type: 'string' } }])),
  };
  const report = (description: string) => ({ description, content });
  return {
    operationId: name,
    summary,
    security,
    responses: {
      200: report(STATUS_CODES[200] ?? ''),
      ...Object.fromEntries(Object.entries(others).map(([status, meaning]) => [status, report(meaning)])),
      ...problemsOf(security.length === 0 ? ['INTERNAL'] : ['UNAUTHENTICATED', 'INTERNAL']),
    },
  };
}

/** What it names, and what its guard and its parser say. */
function codesOf({ method, errors, who, tier }: ApiRoute): ErrorCode[] {
  // What is not expected is refused everywhere: also where nothing is.
  const codes = new Set<ErrorCode>([...errors, 'INVALID_PAYLOAD', 'UNAVAILABLE', 'INTERNAL']);
  if (who !== 'stranger') codes.add('UNAUTHENTICATED');
  if (tier !== 'none') codes.add('RATE_LIMITED');
  if (method !== 'GET') codes.add('PAYLOAD_TOO_LARGE').add('UNSUPPORTED_MEDIA_TYPE');
  return [...codes];
}

function problemsOf(codes: readonly ErrorCode[]): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  const problems = [...byStatus].sort(([one], [other]) => one - other);
  return Object.fromEntries(
    problems.map(([status, named]) => [
      status,
      {
        description: named.join(', '),
        content: { [mediaTypeOf(PROBLEM_TYPE)]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

/** Without its parameters. */
function mediaTypeOf(contentType: string): string {
  return contentType.split(';', 1)[0] ?? contentType;
}

function parametersOf(schema: z.ZodObject | null, where: 'path' | 'query', named: Json): Json[] {
  if (schema === null) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input', named) as {
    properties?: Json;
    required?: string[];
  };
  return Object.entries(properties).map(([name, described]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: described,
  }));
}

/** Named schemas are said once, among the components. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', named: Json): Json {
  const text = JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: 'any' }));
  const described = JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as Json & { $defs?: Json };
  const { $defs = {} } = described;
  delete described.$defs;
  // The dialect is that of the whole document.
  delete described['$schema'];
  Object.assign(named, $defs);
  return described;
}
