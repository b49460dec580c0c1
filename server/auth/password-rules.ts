import { readFileSync } from 'node:fs';
import type { PayloadIssue } from '../../protocol/errors.ts';

const SHORTEST = 8;
const LONGEST = 200;
/** UTF-16 units of what could have 200 characters once it is composed; beyond it nobody composes anything. */
const LONGEST_TEXT = 10 * LONGEST;

/**
 * A password as it is hashed. NFC, because the same key on two devices may come as one character or as two, and then it
 * is the same password (RFC 8265, 4.2). Not NFKC, which takes different ones for the same.
 */
export function normalizePassword(text: string): string {
  return text.normalize('NFC');
}

/** Passwords that a new account may not have. */
export class PasswordRules {
  readonly #common: ReadonlySet<string>;

  constructor(common: ReadonlySet<string>) {
    this.#common = common;
  }

  static load(): PasswordRules {
    const text = readFileSync(new URL('common-passwords.txt', import.meta.url), 'utf8');
    return new PasswordRules(new Set(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))));
  }

  /** What is wrong with it; `path` is the field it came in. */
  issues(text: string, path: string): PayloadIssue[] {
    const message = this.#fault(text);
    return message === null ? [] : [{ path, message }];
  }

  #fault(text: string): string | null {
    const lengths = `expected ${SHORTEST} to ${LONGEST} characters`;
    if (text.length > LONGEST_TEXT) return lengths;
    if (!text.isWellFormed() || text.includes('\0')) return 'expected text without NUL or halves of characters';
    const password = normalizePassword(text);
    // Characters are code points (NIST SP 800-63B): an emoji is one of them.
    const { length } = Array.from(password);
    if (length < SHORTEST || length > LONGEST) return lengths;
    if (password.trim() === '') return 'expected more than spaces';
    if (this.#common.has(password.toLowerCase())) return 'expected a password that is not among the most common ones';
    return null;
  }
}
