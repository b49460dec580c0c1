/** SMTP takes no longer one (RFC 5321, 4.5.3.1). */
const LONGEST = 254;
const LONGEST_LOCAL = 64;
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$/;

/**
 * One address, in the form that everybody means: no quotes, comments, display name, list, or address in digits, and so
 * nothing that a mail header could be broken with. A domain in other letters is written as `xn--…`.
 */
export function isEmailAddress(text: string): boolean {
  if (text.length > LONGEST) return false;
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  return local.length <= LONGEST_LOCAL && LOCAL.test(local) && DOMAIN.test(text.slice(at + 1));
}

/** What addresses are compared by. By the standard the part before the @ may tell cases apart; no provider does. */
export function emailKeyOf(email: string): string {
  return email.toLowerCase();
}
