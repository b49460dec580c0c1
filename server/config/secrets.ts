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

/** `name:sha256-of-key`, comma separated. The keys themselves never stand in the configuration. */
export const apiKeys: Parse<readonly string[]> = (text) => {
  const entries = text.split(',').map((entry) => entry.trim());
  const problems = entries.flatMap((entry, index): Problem[] => {
    if (/^[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64}$/i.test(entry)) return [];
    const form = 'comma-separated entries name:sha256, the SHA-256 of the key in 64 hexadecimal digits';
    return [{ expected: `${form}; entry ${index + 1} is not`, advice: 'hash the key by: printf %s KEY | sha256sum' }];
  });
  return problems.length > 0 ? refuse(...problems) : accept(entries);
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

const PLACEHOLDER_WORDS =
  /changeme|changethis|changeit|replaceme|replacethis|default|example|password|passphrase|placeholder|secret|super|your|please|tandem|jwt|key|(?<!\d)\d{1,3}(?!\d)/g;

/**
 * Whether a secret is one that somebody was meant to replace: `changeme…`, a published default, or nothing but
 * placeholder words ("your-secret-key", "secretsecretsecret"). A random secret does not come out as one by chance.
 */
export function isPlaceholder(secret: string): boolean {
  const plain = secret.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (plain.length < secret.length / 2) return false; // nobody's template is made of punctuation
  if (/^(please)?(change|replace)(me|this|it)/.test(plain)) return true;
  if (PUBLISHED.some((published) => plain.startsWith(published))) return true;
  return plain.replace(PLACEHOLDER_WORDS, '') === '';
}
