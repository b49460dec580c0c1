import type { PayloadIssue } from './errors.ts';

/**
 * Looks through a value that came from outside for what no part behind the edge may see: nesting deeper than
 * `maxDepth` (`[]` is 1 deep), `\u0000` and lone surrogates in strings and keys (Postgres refuses both in text), and
 * anything that is not JSON (a Buffer out of a binary packet). Returns the first fault, or null.
 *
 * The recursion ends at `maxDepth`, so a value of any depth costs no more stack than an allowed one: 4,200 nested
 * arrays end a process that walks them unbounded.
 */
export function inspectJson(value: unknown, maxDepth: number): PayloadIssue | null {
  return inspect(value, maxDepth);
}

/** True when the only thing wrong is nesting: such packets count towards the end of a connection. */
export function isOverDeep(issue: PayloadIssue): boolean {
  return issue.message.startsWith(OVER_DEEP);
}

const OVER_DEEP = 'nested deeper than';

function inspect(value: unknown, depthLeft: number): PayloadIssue | null {
  if (typeof value === 'string') {
    const fault = textFault(value);
    return fault === null ? null : { path: '', message: fault };
  }
  if (value === null || typeof value === 'boolean') return null;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : { path: '', message: 'expected a finite number' };
  }
  if (typeof value !== 'object') return { path: '', message: `expected JSON, received ${typeof value}` };
  if (depthLeft === 0) return { path: '', message: `${OVER_DEEP} allowed` };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const issue = inspect(value[index], depthLeft - 1);
      if (issue !== null) return { path: joined(String(index), issue.path), message: issue.message };
    }
    return null;
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return { path: '', message: 'expected JSON, received binary data' };
  }
  for (const [key, inner] of Object.entries(value)) {
    const fault = textFault(key);
    if (fault !== null) return { path: '', message: `a key is wrong: ${fault}` };
    const issue = inspect(inner, depthLeft - 1);
    if (issue !== null) return { path: joined(key, issue.path), message: issue.message };
  }
  return null;
}

function textFault(text: string): string | null {
  if (text.includes('\u0000')) return 'the character \\u0000 is not allowed';
  return text.isWellFormed() ? null : 'a lone surrogate is not allowed';
}

/** Paths are built on the way back, so that a value without a fault costs no string. */
function joined(step: string, below: string): string {
  return shortened(below === '' ? step : `${step}.${below}`);
}

/** A path out of hostile input may be long; nobody reads more than this. */
function shortened(path: string): string {
  return path.length <= 100 ? path : `${path.slice(0, 100)}...`;
}
