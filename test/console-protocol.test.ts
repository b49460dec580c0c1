import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { schemas } from '../server/realtime/console/schemas.ts';

const page = readFileSync(new URL('../docs/protocol.md', import.meta.url), 'utf8');
const [, chapter = ''] = /^## The console$(.*?)(?=^## |(?![^]))/ms.exec(page) ?? [];

/** Name and payload of each command, as the table has them; what stands behind the braces is for readers. */
function documented(): [name: string, payload: string][] {
  const rows = chapter.matchAll(/^\| `(console:\w+)` \| `(\{.*?\})`/gm);
  return [...rows].map(([, name = '', payload = '']) => [name, payload]);
}

/** The same, made from what the server takes. */
function payloadOf(schema: z.ZodType): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  const fields = Object.entries(properties).map(([field, values]) => {
    if (typeof values === 'boolean') return field;
    const { type, default: usual, minimum, maximum } = values;
    const bounds = type === 'integer' ? ` (${minimum}..${maximum})` : '';
    return `${field}${required.includes(field) ? '' : '?'}${usual === undefined ? '' : `=${JSON.stringify(usual)}`}${bounds}`;
  });
  return `{ ${fields.join(', ')} }`;
}

describe('the chapter about the console in docs/protocol.md', () => {
  it('lists every command with its payload, and no other', () => {
    const taken = Object.entries(schemas).map(([name, schema]) => [name, payloadOf(schema)]);
    expect(documented()).toEqual(taken);
  });

  it('has no row that this test does not read', () => {
    const rows = chapter.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows).toHaveLength(documented().length);
  });
});
