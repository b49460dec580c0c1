const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/**
 * A random id over `A-Z a-z 0-9 _ -`, 6 bits for each character. Not `crypto.randomUUID`: browsers have that in secure
 * contexts alone, and on a local network the page comes over plain http.
 */
export function randomId(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte & 63)).join('');
}
