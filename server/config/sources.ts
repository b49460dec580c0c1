import { parseEnv } from 'node:util';
import { fault, shown, shownPath } from './faults.ts';
import { describeReadFailure, readTextFile } from './text-file.ts';

/** Variables by name; the empty string means "not set". */
export type Source = Readonly<Record<string, string | undefined>>;

/** What the sources say about one variable. */
export type Finding =
  | { readonly kind: 'unset' }
  | { readonly kind: 'given'; readonly text: string; readonly origin?: string }
  | { readonly kind: 'faulty'; readonly fault: string };

/** Reads a `.env` file. One that does not exist is an empty one. */
export function readEnvFile(path: string): { variables: Source; faults: string[] } {
  const file = readTextFile(path);
  if (!file.ok) {
    if (file.reason === 'missing') return { variables: {}, faults: [] };
    const expected = `a file of lines NAME=value; ${describeReadFailure(file.reason)}`;
    return { variables: {}, faults: [fault('.env', shown(path), expected, 'correct or remove the file')] };
  }
  const variables = parseEnv(file.text);
  // Node's parser takes a line without "=" as the begin of the next name, and so loses that variable without a word.
  const faults = Object.keys(variables)
    .filter((name) => !/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name))
    .map((name) => {
      const next = /\n\s*([A-Z][A-Z0-9_]*)$/.exec(name)?.[1];
      const where = next === undefined ? 'a line' : `a line before ${next}`;
      return fault('.env', where, 'NAME=value, or # at the begin of a comment', 'correct or remove the line');
    });
  return { variables, faults };
}

/**
 * Looks a variable up; the first source that has it wins, whichever form it uses. In one source, a secret and its file
 * at once are a fault: nobody could tell which of the two was meant.
 */
export function find(name: string, secret: boolean, sources: readonly Source[]): Finding {
  for (const source of sources) {
    const text = source[name] ?? '';
    const path = secret ? (source[`${name}_FILE`] ?? '') : '';
    if (text !== '' && path !== '') {
      const both = `both ${name} and ${name}_FILE`;
      return { kind: 'faulty', fault: fault(name, both, 'one of the two', 'remove one of them') };
    }
    if (text !== '') return { kind: 'given', text };
    if (path !== '') return readSecret(`${name}_FILE`, path);
  }
  return { kind: 'unset' };
}

function readSecret(origin: string, path: string): Finding {
  const file = readTextFile(path);
  const text = file.ok ? file.text.replace(/\r?\n$/, '') : '';
  if (file.ok && text !== '') return { kind: 'given', text, origin };
  const reason = file.ok ? 'the file is empty' : describeReadFailure(file.reason);
  const expected = `the path of a file that holds the secret; ${reason}`;
  return { kind: 'faulty', fault: fault(origin, shownPath(path), expected, 'correct the path or the file') };
}

/** Every name that any source sets. */
export function givenNames(sources: readonly Source[]): readonly string[] {
  const names = sources.flatMap((source) => Object.keys(source).filter((name) => (source[name] ?? '') !== ''));
  return [...new Set(names)];
}
