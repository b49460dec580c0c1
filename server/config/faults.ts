import type { Problem } from './parsed.ts';
import type { Variable } from './variable.ts';

const MOST_SHOWN = 100;

/** How to make a secret on any machine that runs this server; base64 has no comma, which separates two secrets. */
export const FRESH_SECRET = `node -p "crypto.randomBytes(48).toString('base64')"`;

/** The text of a variable that is set; `origin` is the variable that named its file, if one did. */
interface Given {
  readonly text: string;
  readonly origin?: string;
}

/** One fault, in one line: the variable, what was received, what was expected, what to do. */
export function fault(name: string, received: string, expected: string, advice: string): string {
  return `${name}: received ${received}; expected ${expected}; ${advice}`;
}

/** The fault of a variable whose text its parser refused; `fallback` is the default that removing it would bring. */
export function valueFault(
  name: string,
  variable: Variable<unknown>,
  given: Given,
  problem: Problem,
  fallback: string,
): string {
  const back = fallback === '' ? 'change it or remove it' : `change it, or remove it for the default ${fallback}`;
  const received = describeReceived(variable, given, problem.received);
  return fault(name, received, problem.expected, problem.advice ?? back);
}

/** What a variable was set to, or the wrong `part` of it; of a secret, only where it came from. */
export function describeReceived(variable: Variable<unknown>, given: Given, part = given.text): string {
  if (variable.secret !== true) return shown(part);
  const from = given.origin === undefined ? '' : `, from the file of ${given.origin}`;
  return `a value that is not shown${from}`;
}

/** A value as a fault shows it: quoted, in one line, not long, without the secrets of a URL and what PEM wraps. */
export function shown(text: string): string {
  // A key that was given for a certificate: what it is tells the mistake.
  const label = text.replace(/(-----BEGIN(?: [A-Z ]{1,30}-----)?).*/s, '$1…');
  // From the first scheme to the last "@": rather too much than a password that itself holds "@", "/" or ",".
  const known = label.replace(/^(.*?:\/\/).*@|^.*:.*@/s, (_match, scheme: string | undefined) => `${scheme ?? ''}***@`);
  // After that, since a password may hold "?"; also where the scheme is what was forgotten.
  const bare = known.replace(/\?.+/s, '?***');
  const cut = bare.length > MOST_SHOWN ? `${bare.slice(0, MOST_SHOWN)}…` : bare;
  const quoted = JSON.stringify(cut);
  return quoted.replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** The path that a `*_FILE` variable names. Whoever puts the secret itself there by mistake must not read it in a log. */
export function shownPath(text: string): string {
  const isPath = /^(\/|\.{1,2}[/\\]|[a-z]:[/\\]|\\\\)/i.test(text);
  return isPath ? shown(text) : 'a value that is not shown, because it does not begin as a path';
}
