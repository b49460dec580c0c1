/**
 * JSON Schemas as a reader wants them: types in the words of TypeScript, limits in words, fields as a table of Markdown.
 *
 * @typedef {Record<string, unknown>} Schema
 * @typedef {(name: string) => string} AddressOf where the page tells of a named shape
 */

/** Larger than these no number of JavaScript is exact: what has them has no bound of its own. */
const UNBOUNDED = new Set([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);

/**
 * @param {Schema} schema of an object @param {AddressOf} addressOf
 * @param {'always' | 'required'} presence what it is called that a field has to be there
 * @returns {string} a table
 */
export function fieldTable(schema, addressOf, presence = 'always') {
  const { properties = {}, required = [] } =
    /** @type {{ properties?: Record<string, Schema>, required?: string[] }} */ (schema);
  const rows = Object.entries(properties).map(([name, field]) => {
    const isRequired = required.includes(name) ? 'yes' : 'no';
    return `| \`${name}\` | ${typeCell(field, addressOf)} | ${isRequired} | ${cell(meaningOf(field))} |`;
  });
  return [`| field | type | ${presence} | meaning |`, '|---|---|---|---|', ...rows].join('\n');
}

/** @param {Schema} schema @param {AddressOf} addressOf */
export function typeCell(schema, addressOf) {
  return typeOf(schema)
    .split(/(#\w+)/)
    .filter((part) => part !== '')
    .map((part) => (part.startsWith('#') ? `[${part.slice(1)}](${addressOf(part.slice(1))})` : code(part)))
    .join('');
}

/** What the schema says besides the type. @param {Schema} schema */
export function meaningOf(schema) {
  const { description, default: usual, not, anyOf } = schema;
  const said = [...(typeof description === 'string' ? [description.replace(/\.$/, '')] : []), ...boundsOf(schema)];
  if (usual !== undefined) said.push(`${code(JSON.stringify(usual))} unless given`);
  // Rules between fields.
  if (not !== undefined) said.push(`not ${requiredOf(not).map(code).join(' and ')} together`);
  if (Array.isArray(anyOf) && anyOf.every((part) => 'required' in part && !('properties' in part)))
    said.push(`at least one of ${anyOf.flatMap(requiredOf).map(code).join(', ')}`);
  return said.join('; ');
}

/** @param {Schema} schema @returns {string[]} */
function boundsOf(schema) {
  const { minimum, maximum, minLength, maxLength, pattern, format } = schema;
  const bounds = [range(minimum, maximum, ''), range(minLength, maxLength, ' characters')].filter(
    (text) => text !== '',
  );
  const bytes = schema['x-maxBytes'];
  if (typeof bytes === 'number') bounds.push(`at most ${bytes} bytes`);
  if (format === 'uuid') bounds.push('a UUID');
  else if (format === 'date-time') bounds.push('a time in ISO 8601');
  else if (format === 'email') bounds.push('an e-mail address');
  else if (typeof pattern === 'string') bounds.push(code(pattern));
  return bounds;
}

/** @param {unknown} least @param {unknown} most @param {string} unit */
function range(least, most, unit) {
  const from = typeof least === 'number' && !UNBOUNDED.has(least) ? least : null;
  const to = typeof most === 'number' && !UNBOUNDED.has(most) ? most : null;
  if (from !== null && to !== null) return `${from} to ${to}${unit}`;
  if (from !== null) return `at least ${from}${unit}`;
  return to === null ? '' : `at most ${to}${unit}`;
}

/** @param {unknown} schema @returns {string[]} */
function requiredOf(schema) {
  return /** @type {{ required?: string[] }} */ (schema).required ?? [];
}

/** Names of shapes stand as `#Name`. @param {Schema} schema @returns {string} */
function typeOf(schema) {
  const { $ref, type, enum: values, const: value, anyOf, oneOf, items, properties } = schema;
  if (typeof $ref === 'string') return `#${$ref.slice($ref.lastIndexOf('/') + 1)}`;
  if (value !== undefined) return JSON.stringify(value);
  if (Array.isArray(values)) return values.map((one) => JSON.stringify(one)).join(' | ');
  const parts = anyOf ?? oneOf;
  if (Array.isArray(parts) && properties === undefined) return parts.map(typeOf).join(' | ');
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(' | ');
  if (type === 'array') {
    const item = typeOf(/** @type {Schema} */ (items ?? {}));
    return item.includes(' ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
  }
  if (type === 'object') return objectText(schema);
  return typeof type === 'string' ? type : 'any JSON value';
}

/** @param {Schema} schema */
function objectText({ properties, required }) {
  const fields = Object.entries(/** @type {Record<string, Schema>} */ (properties ?? {}));
  if (fields.length === 0) return 'object';
  const isAlways = (/** @type {string} */ name) => Array.isArray(required) && required.includes(name);
  return `{ ${fields.map(([name, field]) => `${name}${isAlways(name) ? '' : '?'}: ${typeOf(field)}`).join('; ')} }`;
}

/** In a cell of a table a bar ends it, also inside of code. @param {string} text */
function cell(text) {
  return text.replace(/(?<!\\)\|/g, '\\|');
}

/** @param {string} text */
function code(text) {
  const trimmed = text.trim();
  if (trimmed === '') return text;
  const [before = '', after = ''] = text.split(trimmed);
  return `${before}\`${cell(trimmed)}\`${after}`;
}
