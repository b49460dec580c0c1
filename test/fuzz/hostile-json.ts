import type { Random } from '../support/random.ts';

/** JSON as text, because what is worst (30,000 lists in each other, a key twice, `1e999`) is no value that could be encoded. */
export type JsonText = string;

const PIECES: readonly string[] = [
  '',
  'x',
  '\u0000',
  '\ud800',
  '\udfff',
  '\u{1f600}',
  '\u{10ffff}',
  '\u202e\u0645\u0631\u062d\u0628\u0627',
  '\u200b\ufeff',
  '\u2028\n\r\t\b',
  '{p07}:s:',
  '*\r\n$4\r\nPING\r\n',
  "'; drop table sessions; --",
  '../../etc/passwd',
  '%00%0a',
  '${jndi:ldap://x}',
  '<img src=x onerror=alert(1)>',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '$gt',
  'session:',
  'NaN',
  '-1',
  'y'.repeat(70),
  'z'.repeat(3_000),
];

const NUMBERS = [
  '0',
  '-0',
  '1',
  '-1',
  '1.5',
  '1e308',
  '1e999',
  '-1e999',
  '9007199254740992',
  '1e-400',
  '200',
  '2147483648',
];

/** Values that nobody sends by mistake, and many that somebody might. */
export class HostileJson {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Any text, seldom a long one. */
  text(): string {
    const text = this.#random.pick(PIECES) + this.#random.pick(PIECES);
    return this.#random.below(400) === 0 ? text + 'w'.repeat(17_000) : text;
  }

  /** Any value; seldom one that is nested deeper than allowed. */
  value(depth = 3): JsonText {
    const random = this.#random;
    switch (random.below(depth > 0 ? 11 : 7)) {
      case 0:
        return random.pick(['null', 'true', 'false']);
      case 1:
        return random.pick(NUMBERS);
      case 2:
      case 3:
        return JSON.stringify(this.text());
      case 4:
        return random.pick(['{}', '[]', '""', '[[[]]]']);
      case 5:
        return `{"_placeholder":true,"num":${random.pick(['0', '1', '-1', '"0"', '1e9', '0.5', 'null'])}}`;
      case 6:
        return random.pick(['{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}']);
      case 7:
        return `[${this.#several(() => this.value(depth - 1))}]`;
      case 8:
        return random.below(20) === 0 ? nestedLists(33 + random.below(40)) : '[[]]';
      default:
        return `{${this.#several(() => `${JSON.stringify(this.text().slice(0, 40))}:${this.value(depth - 1)}`)}}`;
    }
  }

  #several(make: () => string): string {
    return Array.from({ length: this.#random.below(4) }, make).join(',');
  }
}

/** `[]` is 1 deep. */
export function nestedLists(depth: number): JsonText {
  return '['.repeat(depth) + ']'.repeat(depth);
}

export function nestedObjects(depth: number): JsonText {
  return `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
}
