import path from 'node:path';
import { accept, refuse, type Parse } from './parsed.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;

/** A duration with a unit, in milliseconds. A bare number is refused: nobody knows whether it means seconds. */
export function duration(least: string, most: string): Parse<number> {
  const leastMs = toMilliseconds(least);
  const mostMs = toMilliseconds(most);
  if (leastMs === undefined || mostMs === undefined) throw new TypeError(`not a range: ${least} to ${most}`);
  return (text) => {
    const ms = toMilliseconds(text);
    if (ms !== undefined && ms >= leastMs && ms <= mostMs) return accept(ms);
    const units = /^\d+$/.test(text) ? ', with its unit' : '';
    return refuse({
      expected: `a duration from ${least} to ${most}${units}, written as a whole number and ms, s, m, h or d (250ms 10s 5m 24h 7d)`,
    });
  };
}

function toMilliseconds(text: string): number | undefined {
  // At most 12 digits: in milliseconds every such number is exact.
  const match = /^(0|[1-9]\d{0,11})(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * UNIT_MS[match[2] as Unit]; // the pattern admits no other unit
}

/** A whole number in plain decimal digits: no sign, exponent, prefix, leading zero or white space. */
export function integer(least: number, most: number): Parse<number> {
  return (text) => {
    const value = /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return accept(value);
    return refuse({ expected: `a whole number from ${least} to ${most} in decimal digits` });
  };
}

export const port: Parse<number> = integer(0, 65_535);

export const flag: Parse<boolean> = (text) => {
  if (text === 'true' || text === 'false') return accept(text === 'true');
  return refuse({ expected: 'true or false' });
};

export function oneOf<const W extends string>(...words: readonly W[]): Parse<W> {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    return word === undefined ? refuse({ expected: `one of ${words.join(', ')}` }) : accept(word);
  };
}

export function oneOfAnyCase<const W extends string>(...words: readonly W[]): Parse<W> {
  const exact = oneOf(...words);
  return (text, context) => exact(text.toLowerCase(), context);
}

/** Text without control characters, and without white space at its ends, where nobody sees it. */
export function text(most: number): Parse<string> {
  return (value) => {
    if (value.length <= most && value.trim() === value && !/\p{Cc}/u.test(value)) return accept(value);
    return refuse({
      expected: `1 to ${most} characters, without control characters and without white space at the ends`,
    });
  };
}

/** A directory, made absolute against the working directory. */
export const directory: Parse<string> = (value) => {
  if (value.includes('\0')) return refuse({ expected: 'the path of a directory' });
  // Only a shell expands it; we would make a directory named "~".
  if (value === '~' || value.startsWith('~/')) {
    return refuse({ expected: 'the path of a directory; "~" is not expanded here', advice: 'write the path out' });
  }
  return accept(path.resolve(value));
};

/** As `directory`; `-` is null: no directory. */
export const directoryOrNone: Parse<string | null> = (value, context) =>
  value === '-' ? accept(null) : directory(value, context);
