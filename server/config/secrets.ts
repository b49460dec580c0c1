import { FRESH_SECRET } from './faults.ts';
import { accept, refuse, type Parse, type Problem } from './parsed.ts';

const JWT_SECRET_BYTES = 32;
const TOKEN_CHARACTERS = 16;
const MAKE_ONE = `make a fresh one: ${FRESH_SECRET}`;

/**
 * One or two secrets, comma separated: the first signs, both verify. White space at the ends is refused rather than
 * removed, because whoever else signs with these bytes would not remove it.
 */
export const jwtSecrets: Parse<readonly string[]> = (text, { production }) => {
  const secrets = text.split(',');
  if (secrets.length > 2) {
    return refuse({
      expected: `one or two secrets with a comma between; there are ${secrets.length}`,
      advice: MAKE_ONE,
    });
  }
  const problems = secrets.flatMap((secret, index) => {
    const which = secrets.length === 1 ? 'it' : index === 0 ? 'the first' : 'the second';
    return jwtSecretProblem(secret, which, production);
  });
  return problems.length > 0 ? refuse(...problems) : accept(secrets);
};

function jwtSecretProblem(secret: string, which: string, production: boolean): Problem[] {
  const expected = `one or two secrets with a comma between, each at least ${JWT_SECRET_BYTES} bytes`;
  const bytes = Buffer.byteLength(secret);
  if (bytes < JWT_SECRET_BYTES) return [{ expected: `${expected}; ${which} has ${bytes}`, advice: MAKE_ONE }];
  if (secret.trim() !== secret)
    return [{ expected: `${expected}; ${which} has white space at an end`, advice: 'remove the white space' }];
  if (production && (isPlaceholder(secret) || new Set(secret).size < 6)) {
    return [
      { expected: `a secret that nobody can guess; ${which} is a known default or repeats itself`, advice: MAKE_ONE },
    ];
  }
  return [];
}

/** A token that operators send as `Authorization: Bearer`: it must survive a header. */
export const bearerToken: Parse<string> = (text, { production }) => {
  if (text.length < TOKEN_CHARACTERS || !/^[\x21-\x7e]+$/.test(text)) {
    return refuse({
      expected: `at least ${TOKEN_CHARACTERS} printable ASCII characters without white space`,
      advice: MAKE_ONE,
    });
  }
  if (production && isPlaceholder(text)) {
    return refuse({ expected: 'a token that nobody can guess; it is a known default', advice: MAKE_ONE });
  }
  return accept(text);
};

export interface ApiKeyHash {
  readonly name: string;
  /** Of the key, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** `name:sha256-of-key`, comma separated. The keys themselves never stand in the configuration. */
export const apiKeys: Parse<readonly ApiKeyHash[]> = (text) => {
  const entries = text.split(',').map((entry) => entry.trim());
  const keys: ApiKeyHash[] = [];
  const problems: Problem[] = [];
  for (const [index, entry] of entries.entries()) {
    const [, name, sha256] = /^([A-Za-z0-9_.-]{1,64}):([0-9a-f]{64})$/i.exec(entry) ?? [];
    const expected = 'comma-separated entries name:sha256, the SHA-256 of the key in 64 hexadecimal digits';
    if (name === undefined || sha256 === undefined) {
      const advice = 'hash the key by: printf %s KEY | sha256sum';
      problems.push({ expected: `${expected}; entry ${index + 1} is not`, advice });
    } else if (keys.some((key) => key.name === name)) {
      // Each has a limit of its own, by its name.
      problems.push({ expected: `${expected}, each with a name of its own; entry ${index + 1} has that of another` });
    } else keys.push({ name, sha256: sha256.toLowerCase() });
  }
  return problems.length > 0 ? refuse(...problems) : accept(keys);
};

/** Any secret whose shape another service decides. */
export const anySecret: Parse<string> = (text) => accept(text);

/** Secrets that stand in manuals and templates, letters and digits only. */
const PUBLISHED = [
  'supersecretjwttokenwithatleast32characterslong', // Supabase's local default
  'your256bitsecret', // jwt.io
  'your384bitsecret',
  'your512bitsecret',
];

/** What templates are made of. */
const PLACEHOLDER_WORDS = [
  'a access admin api app at auth bit bits byte bytes change changeit changeme changethis char characters chars default',
  'demo dev development do dont example fixme foo bar for generate here in insert is it jwt key least local localhost long',
  'me metrics minimum must my never not of only or passphrase password placeholder please prod production random replace',
  'replaceme replacethis sample secret secure session sign signing some something staging string super tandem temp test',
  'testing the this to todo token use value very webhook with xxx your',
]
  .flatMap((line) => line.split(' '))
  // The first alternative that fits is taken: "at" must not be read as "a", and a rest.
  .sort((one, other) => other.length - one.length);

const WORDS = new RegExp(`${PLACEHOLDER_WORDS.join('|')}|(?<!\\d)\\d{1,3}(?!\\d)`, 'g');

/** Rows of the keyboard and of the alphabet, to and fro, with their wrap-around: `7890123`, `xyzabc`, `qwertyuiop`. */
const ROWS = ['0123456789', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm'];
const SHORTEST_RUN = 4;

/**
 * Whether a secret is one that somebody was meant to replace: `changeme…`, a published default, or nothing but
 * placeholder words and runs ("your-secret-key", "secretsecretsecret", "abcdef123456"). Every character must belong to
 * one of them, so that a random secret does not come out as one by chance, and a passphrase needs one word of its own.
 */
function isPlaceholder(secret: string): boolean {
  const plain = secret.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (plain.length < secret.length / 2) return false; // nobody's template is made of punctuation
  if (/^(please)?(change|replace)(me|this|it|with)/.test(plain)) return true;
  if (PUBLISHED.some((published) => plain.includes(published))) return true;
  return withoutRuns(plain).replace(WORDS, '').trim() === '';
}

/** With a space in the place of every run, so that what stood before and after it does not become a word. */
function withoutRuns(plain: string): string {
  let rest = '';
  for (let at = 0; at < plain.length;) {
    const length = Math.max(...ROWS.map((row) => runLength(plain, at, row)));
    rest += length < SHORTEST_RUN ? plain.charAt(at) : ' ';
    at += length < SHORTEST_RUN ? 1 : length;
  }
  return rest;
}

function runLength(plain: string, start: number, row: string): number {
  const lengths = [1, row.length - 1].map((step) => {
    let end = start + 1;
    while (end < plain.length && follows(plain.charAt(end - 1), plain.charAt(end), row, step)) end += 1;
    return end - start;
  });
  return Math.max(...lengths);
}

function follows(one: string, next: string, row: string, step: number): boolean {
  const index = row.indexOf(one);
  return index !== -1 && row.charAt((index + step) % row.length) === next;
}
