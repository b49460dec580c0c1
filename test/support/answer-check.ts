import { z } from 'zod';
import { operationsOf, type Operation, type Schema } from './open-api.ts';

/** What a server says of itself: one document each, for all tests of a file. */
const documents = new Map<string, Promise<DocumentCheck | null>>();

/**
 * Compares an answer with the OpenAPI document of the server that gave it. Gives what is wrong, and null when nothing is,
 * or when the document says nothing of such a request.
 */
export async function answerFault(
  url: string,
  request: { method: string; path: string },
  answer: { status: number; body: unknown },
): Promise<string | null> {
  let check = documents.get(url);
  if (check === undefined) {
    check = read(url);
    documents.set(url, check);
  }
  return (await check)?.faultOf(request, answer) ?? null;
}

/** Null where it can't be had: then other tests have other worries. */
async function read(url: string): Promise<DocumentCheck | null> {
  try {
    const response = await fetch(`${url}/api/v1/openapi.json`);
    return response.ok ? new DocumentCheck((await response.json()) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

class DocumentCheck {
  readonly #operations: readonly { operation: Operation; pattern: RegExp }[];
  readonly #named: Record<string, Schema>;
  readonly #schemas = new Map<Schema, z.ZodType>();

  constructor(document: Record<string, unknown>) {
    const { schemas } = document['components'] as { schemas: Record<string, Schema> }; // As OpenAPI has it.
    this.#named = schemas;
    this.#operations = operationsOf(document).map((operation) => ({
      operation,
      pattern: new RegExp(`^${operation.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    }));
  }

  faultOf(request: { method: string; path: string }, answer: { status: number; body: unknown }): string | null {
    const path = request.path.split('?', 1)[0] ?? '';
    const found = this.#operations.filter(
      ({ operation: { method }, pattern }) => method.toUpperCase() === request.method && pattern.test(path),
    );
    // Of two that fit, the one without a name in braces is served.
    const [first] = found.sort(
      (one, other) => one.operation.path.split('{').length - other.operation.path.split('{').length,
    );
    if (first === undefined) return null;
    const { id, answers } = first.operation;
    const schema = answers.get(answer.status);
    if (schema === undefined) return `${id} answered ${answer.status}, which its description does not name`;
    if (schema === null) {
      return JSON.stringify(answer.body) === '{}' ? null : `${id} answered ${answer.status} with more than nothing`;
    }
    const parsed = this.#schemaOf(schema).safeParse(answer.body);
    if (parsed.success) return null;
    return `${id} answered ${answer.status} otherwise than described: ${z.prettifyError(parsed.error)}`;
  }

  #schemaOf(schema: Schema): z.ZodType {
    let known = this.#schemas.get(schema);
    if (known === undefined) {
      const text = JSON.stringify({ ...schema, $defs: this.#named });
      const whole: unknown = JSON.parse(text.replaceAll('"#/components/schemas/', '"#/$defs/'));
      known = z.fromJSONSchema(whole as Parameters<typeof z.fromJSONSchema>[0]); // It was JSON.
      this.#schemas.set(schema, known);
    }
    return known;
  }
}
