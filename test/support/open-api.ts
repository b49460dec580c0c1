/** An operation of the OpenAPI document, as tests go through them. */
export interface Operation {
  readonly id: string;
  readonly method: string;
  /** With `{names}`. */
  readonly path: string;
  /** Names of the security schemes that open it. */
  readonly schemes: readonly string[];
  /** Whether it is open to who has none of them. */
  readonly isOpen: boolean;
  /** Schema of its body; null when it takes none. */
  readonly body: Schema | null;
  /** By status: the schema of the answer, null where it has no body. */
  readonly answers: ReadonlyMap<number, Schema | null>;
}

export type Schema = Record<string, unknown>;

interface Described {
  readonly operationId?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
  readonly responses?: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

export function operationsOf(document: Record<string, unknown>): Operation[] {
  const paths = document['paths'] as Record<string, Record<string, Described>>; // As OpenAPI has it.
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => operationOf(path, method, described)),
  );
}

function operationOf(path: string, method: string, described: Described): Operation {
  const { operationId: id = '', security = [], requestBody, responses = {} } = described;
  const schemes = security.flatMap((one) => Object.keys(one));
  return {
    ...{ id, method, path, schemes },
    isOpen: security.length === 0 || security.some((one) => Object.keys(one).length === 0),
    body: Object.values(requestBody?.content ?? {})[0]?.schema ?? null,
    answers: new Map(
      Object.entries(responses).map(([status, { content = {} }]) => [
        Number(status),
        Object.values(content)[0]?.schema ?? null,
      ]),
    ),
  };
}
