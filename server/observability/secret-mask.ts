/** Text without what it must not hold. `isCut`: more followed, so that the end may be the beginning of a secret. */
export type TextMask = (text: string, isCut?: boolean) => string;

/** Shorter ones are in too many words to be replaced everywhere. */
const SHORTEST = 8;

/**
 * Replaces these secrets by `***`, wherever they stand in a text, as they are or as a URL has them. No pattern knows
 * every secret: an operator may choose words, and base64 has more forms than one.
 */
export function createSecretMask(secrets: readonly string[], shortest = SHORTEST): TextMask {
  const forms = new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]));
  const sorted = [...forms]
    .filter(({ length }) => length >= shortest)
    // The whole before a part of it.
    .sort((one, other) => other.length - one.length);
  return (text, isCut = false) => {
    const masked = sorted.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
    return isCut ? withoutBegun(masked, sorted, shortest) : masked;
  };
}

function withoutBegun(text: string, secrets: readonly string[], shortest: number): string {
  for (const secret of secrets) {
    for (let length = Math.min(secret.length - 1, text.length); length >= shortest; length -= 1) {
      if (text.endsWith(secret.slice(0, length))) return `${text.slice(0, -length)}***`;
    }
  }
  return text;
}
