import { fieldTable, meaningOf } from './docs-schema-text.js';

/**
 * @typedef {import('./docs-sources.js').DocsSources} DocsSources
 * @typedef {import('./docs-sources.js').Schema} Schema
 */

const INTRODUCTION = `# Protocol reference

Every command, event, error, limit and closing reason with its payload, made from the code of this version when it was
built. The rules behind them are in [the protocol](protocol.md). The same for machines is the
[AsyncAPI document](asyncapi.json); the HTTP interface has [a page of its own](http-reference.md).`;

const HANDSHAKE = `## Handshake

\`auth\` of the Socket.IO connection, which may be absent. See [the handshake](protocol.md#handshake).`;

const COMMANDS = `## Commands

Client to server: one payload and a callback. The callback receives \`{ ok: true, ...result }\`, or
\`{ ok: false, error }\` with a [WireError](#wireerror). A payload that has no fields may be left out; one with fields that
are not listed is refused.`;

const EVENTS = `## Events

Server to client, without a callback. A later version may add fields.`;

const ERRORS = `## Errors

The same codes over Socket.IO and HTTP. Retryable: the same request can succeed later without a change of its content.`;

const LIMITS = `## Limits

Defaults: points in any window of that many seconds, and how long a refusal lasts once the limit is exhausted. How they
are set: [limits](protocol.md#limits).`;

/**
 * @param {DocsSources} sources
 * @param {string} rules the text of docs/protocol.md, whose headings name commands
 * @returns {string} Markdown
 */
export function protocolReference(sources, rules) {
  const { types, payloads, handshake, errors, limits, sizes, closings, codeAlphabet } = sources;
  const addressOf = (/** @type {string} */ name) => `#${name.toLowerCase()}`;
  /** @param {string} title @param {Schema} schema @param {'always' | 'required'} [presence] */
  const fields = (title, schema, presence) => {
    const { $ref, properties = {} } = /** @type {{ $ref?: string, properties?: object }} */ (schema);
    if (typeof $ref === 'string') return `${title}: ${linked($ref)}`;
    if (Object.keys(properties).length === 0) return `${title}: none.`;
    const between = meaningOf({ ...schema, description: undefined });
    return [`${title}${between === '' ? '' : ` (${between})`}:`, fieldTable(schema, addressOf, presence)].join('\n\n');
  };
  const commands = types.commands.map(({ name, doc, result }) => {
    const payload = fields('Payload', payloads.get(name) ?? {}, 'required');
    const parts = [heading(name), sentence(doc), rulesOf(name, rules), payload, fields('Result', result)];
    return parts.filter((part) => part !== '').join('\n\n');
  });
  const events = types.events.map(({ name, doc, payload }) =>
    [heading(name), sentence(doc), fields('Payload', payload)].filter((part) => part !== '').join('\n\n'),
  );
  const { resume, ...others } = /** @type {Record<string, Schema>} */ (handshake.properties);
  const shapes = [...types.shapes].sort(([one], [other]) => one.localeCompare(other));
  return [
    INTRODUCTION,
    HANDSHAKE,
    fieldTable({ properties: { ...others, resume: { $ref: '#/Resume' } } }, addressOf, 'required'),
    `### Resume\n\n${fieldTable(resume ?? {}, addressOf, 'required')}`,
    COMMANDS,
    ...commands,
    EVENTS,
    ...events,
    '## Shapes',
    ...shapes.map(([name, shape]) =>
      [`### ${name}`, sentence(shape.description), fieldTable(shape, addressOf)]
        .filter((part) => part !== '')
        .join('\n\n'),
    ),
    '## Closing reasons',
    types.closings,
    table(
      ['reason', 'comes back by itself'],
      Object.entries(closings).map(([reason, { reconnect }]) => [`\`${reason}\``, yesOrNo(reconnect)]),
    ),
    ERRORS,
    table(
      ['code', 'HTTP', 'retryable', 'meaning'],
      Object.entries(errors).map(([code, { status, retryable, title }]) => [
        `\`${code}\``,
        String(status),
        yesOrNo(retryable),
        title,
      ]),
    ),
    LIMITS,
    table(
      ['name', 'scope', 'points', 'window (s)', 'block (s)', 'set by'],
      Object.entries(limits).map(([name, limit]) => [
        `\`${name}\``,
        limit.scope,
        String(limit.points),
        String(limit.durationSeconds),
        String(limit.blockSeconds),
        `\`RATE_LIMIT_${name.toUpperCase()}_POINTS\``,
      ]),
    ),
    '## Sizes',
    'Bytes of UTF-8 JSON unless the name says otherwise.',
    table(
      ['name', 'value', 'meaning'],
      Object.entries(sizes).map(([name, value]) => [`\`${name}\``, String(value), types.sizes.get(name) ?? '']),
    ),
    `Codes are made of \`${codeAlphabet}\`.`,
  ].join('\n\n');
}

/** The section of the rules that is about the command: its heading names it, or else its text. @param {string} name @param {string} rules */
function rulesOf(name, rules) {
  const [commands = ''] = rules.split('\n## Commands\n')[1]?.split('\n## ') ?? [];
  const sections = commands
    .split('\n### ')
    .slice(1)
    .map((section) => section.split('\n'))
    .filter(([title]) => title !== 'Command table');
  const [title] =
    sections.find(([first = '']) => first.includes(`\`${name}\``)) ??
    sections.find(([, ...lines]) => lines.some((line) => line.includes(`\`${name}`))) ??
    [];
  if (title === undefined) return '';
  const anchor = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
  return `Rules: [${title.replaceAll('`', '')}](protocol.md#${anchor}).`;
}

/** @param {string} $ref */
function linked($ref) {
  const name = $ref.slice($ref.lastIndexOf('/') + 1);
  return `[${name}](#${name.toLowerCase()}).`;
}

/** @param {string} name */
function heading(name) {
  return `### \`${name}\``;
}

/** @param {unknown} doc */
function sentence(doc) {
  return typeof doc === 'string' ? doc : '';
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** @param {boolean} value */
function yesOrNo(value) {
  return value ? 'yes' : 'no';
}
