import { fieldTable, meaningOf, typeCell } from './docs-schema-text.js';

/**
 * @typedef {import('./docs-sources.js').DocsSources} DocsSources
 * @typedef {import('./docs-sources.js').Schema} Schema
 *
 * @typedef {object} Operation of OpenAPI, as far as the page tells of it
 * @property {string} operationId
 * @property {string} summary
 * @property {Record<string, unknown>[]} security
 * @property {{ name: string, in: string, required: boolean, schema: Schema }[]} [parameters]
 * @property {{ required: boolean, content: Record<string, { schema: Schema }> }} [requestBody]
 * @property {Record<string, { description: string, content?: Record<string, { schema: Schema }> }>} responses
 *
 * @typedef {Operation & { method: string, path: string }} Route
 */

const INTRODUCTION = `# HTTP reference

Every route with what it takes and answers, made from the description that a server gives of itself at
\`GET /api/v1/openapi.json\` (OpenAPI 3.1). The rules behind them are in [the protocol](protocol.md#http). Errors are a
[Problem](#problem) under \`application/problem+json\`.

| what opens a route | how it is sent |
|---|---|
| access token | \`Authorization: Bearer <access token>\` of a user |
| API key | \`X-API-Key\` of a backend |
| admin token | \`Authorization: Bearer <ADMIN_TOKEN>\` of an operator |
| metrics token | \`Authorization: Bearer <METRICS_TOKEN>\`, where one is set |
| webhook signature | \`webhook-id\`, \`webhook-timestamp\` and \`webhook-signature\` of Standard Webhooks |`;

/** @type {Record<string, string>} */
const SCHEMES = {
  accessToken: 'an access token',
  apiKey: 'an API key',
  adminToken: 'the admin token',
  metricsToken: 'the metrics token',
  webhook: 'a webhook signature',
};

/** @type {Record<string, string>} */
const NOTES = { Debugging: 'Only with `DEBUG_API=true`.' };

/** @param {DocsSources} sources @returns {string} Markdown */
export function httpReference({ openApi, routes }) {
  const paths = /** @type {Record<string, Record<string, Operation>>} */ (openApi.paths);
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
  const components = /** @type {{ schemas: Record<string, Schema> }} */ (openApi.components).schemas;
  const sections = [...routes].map(([title, group]) => {
    const names = new Set(group.map(({ name }) => name));
    return { title, operations: all.filter(({ operationId }) => names.has(operationId)) };
  });
  const told = new Set(sections.flatMap(({ operations }) => operations));
  sections.push({ title: 'Health and metrics', operations: all.filter((operation) => !told.has(operation)) });
  const shapes = Object.entries(components).sort(([one], [other]) => one.localeCompare(other));
  return [
    INTRODUCTION,
    ...sections.flatMap(({ title, operations }) => [
      `## ${title}`,
      ...(NOTES[title] === undefined ? [] : [NOTES[title]]),
      ...operations.map(routeText),
    ]),
    '## Shapes',
    ...shapes.map(([name, shape]) =>
      [
        `### ${name}`,
        ...(typeof shape.description === 'string' ? [shape.description] : []),
        fieldTable(shape, anchor),
      ].join('\n\n'),
    ),
  ].join('\n\n');
}

/** @param {Route} route */
function routeText({ method, path, summary, security, parameters = [], requestBody, responses }) {
  const parts = [`### \`${method} ${path}\``, `${summary}.`, `Opened by ${opened(security)}.`];
  if (parameters.length > 0) {
    const rows = parameters.map(
      ({ name, in: where, required, schema }) =>
        `| \`${name}\` | ${where} | ${typeCell(schema, anchor)} | ${required ? 'yes' : 'no'} | ${meaningOf(schema).replace(/(?<!\\)\|/g, '\\|')} |`,
    );
    parts.push(['| parameter | in | type | required | meaning |', '|---|---|---|---|---|', ...rows].join('\n'));
  }
  const body = schemaOf(requestBody?.content);
  if (body !== null && Object.keys(body.properties ?? {}).length > 0)
    parts.push(
      `Body${requestBody?.required === true ? '' : ', which may be left out'}:`,
      fieldTable(body, anchor, 'required'),
    );
  for (const [status, { content, description }] of Object.entries(responses)) {
    if (Number(status) >= 300) continue;
    parts.push(...answerText(`${status} ${description}`, schemaOf(content)));
  }
  const refusals = Object.entries(responses).filter(([status]) => Number(status) >= 300);
  const codes = refusals.flatMap(([status, { description }]) =>
    /^[A-Z_, ]+$/.test(description)
      ? description.split(', ').map((code) => `\`${code}\``)
      : [`${status} (${description})`],
  );
  parts.push(`Refusals: ${codes.join(', ')}.`);
  return parts.join('\n\n');
}

/** @param {string} title @param {Schema | null} schema @returns {string[]} */
function answerText(title, schema) {
  if (schema === null) return [`Answers ${title}, without a body.`];
  if (schema.$ref !== undefined || Object.keys(schema.properties ?? {}).length === 0)
    return [`Answers ${title}: ${typeCell(schema, anchor)}.`];
  return [`Answers ${title}:`, fieldTable(schema, anchor)];
}

/** @param {Record<string, unknown>[]} security */
function opened(security) {
  if (security.length === 0) return 'nothing: it is for everybody';
  const ways = security
    .map((way) => Object.keys(way)[0])
    .map((scheme) => (scheme === undefined ? 'nothing' : (SCHEMES[scheme] ?? scheme)));
  return ways.join(' or ');
}

/** @param {Record<string, { schema: Schema }> | undefined} content */
function schemaOf(content = {}) {
  return Object.values(content)[0]?.schema ?? null;
}

/** @param {string} name */
function anchor(name) {
  return `#${name.toLowerCase()}`;
}
