/**
 * What one variable's text turned out to be: a value, or what is wrong with it. A problem never holds more of the text
 * than `received`, so that a secret stays out of the faults by leaving that away.
 */
export interface Problem {
  /** What would have been right, to follow "expected". */
  readonly expected: string;
  /** What to do. Without it: change the variable, or remove it for its default. */
  readonly advice?: string;
  /** The part of the text that is wrong, when it is not all of it. Not printed when the variable is a secret. */
  readonly received?: string;
}

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] };

export interface ParseContext {
  readonly production: boolean;
}

/** Parses the text of a variable that is set: never the empty string, which means "not set". */
export type Parse<T> = (text: string, context: ParseContext) => Parsed<T>;

export function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refuse(...problems: readonly Problem[]): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems };
}

/**
 * Parses every entry of a comma-separated list and gathers the problems of all of them. White space round an entry does
 * not count.
 */
export function parseList<T>(text: string, parseEntry: (entry: string) => T | Problem): Parsed<readonly T[]> {
  const values: T[] = [];
  const problems: Problem[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    const outcome = parseEntry(entry);
    if (isProblem(outcome)) problems.push({ received: entry, ...outcome });
    else values.push(outcome);
  }
  return problems.length > 0 ? refuse(...problems) : accept(values);
}

function isProblem(outcome: unknown): outcome is Problem {
  return typeof outcome === 'object' && outcome !== null && 'expected' in outcome;
}
