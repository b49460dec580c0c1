import { SIZES } from '../../protocol/limits.ts';
import type { Random } from '../support/random.ts';
import { nestedLists, nestedObjects, type JsonText } from './hostile-json.ts';

type Make = (random: Random) => JsonText;

/** What a field of a payload may be and may not be, written down from the protocol and not from the schema that decides. */
export interface Field {
  readonly valid: readonly Make[];
  readonly wrong: readonly Make[];
  /** Wrong by their nesting alone, which counts towards the end of the connection. */
  readonly deep?: readonly Make[];
}

const WORD = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-';
const json = (value: unknown) => () => JSON.stringify(value);
const all = (...texts: JsonText[]): Make[] => texts.map((text) => () => text);
const HOSTILE_TEXTS: readonly Make[] = [json('a\u0000b'), json('\ud800'), json('x\udc00'), json('\udc00\ud800')];
const words =
  (length: number): Make =>
  (random) =>
    JSON.stringify(Array.from({ length }, () => WORD[random.below(WORD.length)]).join(''));
const sized =
  (bytes: number): Make =>
  (random) =>
    random.below(2) === 0
      ? JSON.stringify('x'.repeat(bytes - 2))
      : JSON.stringify('\u{1f600}'.repeat(Math.floor((bytes - 2) / 4)) + 'x'.repeat((bytes - 2) % 4));

const NOT_TEXT = all('null', 'true', '7', '[]', '{}', '["x"]', '{"$gt":""}');
const NOT_NUMBER = all('null', 'true', '"5"', '""', '[]', '[1]', '{}', '1e999', '-1e999');

const uuid: Field = {
  valid: [
    (random) => {
      const hex = (length: number) => Array.from({ length }, () => '0123456789abcdef'[random.below(16)]).join('');
      const id = `${hex(8)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
      return JSON.stringify(random.below(4) === 0 ? id.toUpperCase() : id);
    },
  ],
  wrong: [
    ...NOT_TEXT,
    ...all('""', '"0190b7c0-0000-7000-8000-00000000000"', '"0190b7c0-0000-7000-8000-0000000000000"'),
    ...all(
      '"0190b7c0000070008000000000000000"',
      '"{0190b7c0-0000-7000-8000-000000000000}"',
      '"g190b7c0-0000-7000-8000-000000000000"',
    ),
    json('0190b7c0-0000-7000-8000-000000000000\n'),
    json('0190b7c0-0000-7000-8000-00000000000\u0000'),
  ],
};

const boolean: Field = { valid: all('true', 'false'), wrong: all('"true"', '0', '1', 'null', '[]', '{}', '""') };

const seq: Field = {
  valid: [...all('0', '1', '9007199254740991', '1e3', '5.0'), (random) => String(random.below(1_000_000))],
  wrong: [...NOT_NUMBER, ...all('-1', '1.5', '9007199254740992', '1e308', '-9007199254740992', '1e-1')],
};

function wordOf(least: number, most: number): Field {
  return {
    valid: [words(least), words(most), (random) => words(least + random.below(most - least))(random)],
    wrong: [
      ...NOT_TEXT,
      ...HOSTILE_TEXTS,
      ...[words(least - 1), words(most + 1), words(300), json(''), json(`${'a'.repeat(least)}\n`)],
      ...[json(`{p07}:${'a'.repeat(least)}`), json(`${'a'.repeat(least)} `), json('\u00e9'.repeat(least))],
    ],
  };
}

const anyJson: Make[] = [
  ...all('null', '""', '0', 'false', '[]', '{}', '"\\u202e"', '-0', '1e-400'),
  ...[
    json('\u{1f600}'),
    json('__proto__'),
    json({ a: [{ b: null }] }),
    json({ toString: 1, constructor: { prototype: 1 } }),
  ],
  () => nestedLists(SIZES.depth),
  () => nestedObjects(SIZES.depth),
];
const notJson: Make[] = [
  ...HOSTILE_TEXTS,
  ...[json({ 'a\u0000': 1 }), json({ '\ud800': 1 }), json([[['\udfff']]]), () => '1e999', () => '[-1e999]'],
];
const tooDeep: Make[] = [
  () => nestedLists(SIZES.depth + 1),
  () => nestedObjects(SIZES.depth + 1),
  // What is deepest takes longest, and is no other case.
  (random) => nestedLists(random.below(40) === 0 ? random.pick([4_200, 30_000]) : random.pick([34, 40, 500])),
];

const body: Field = {
  valid: [...anyJson, sized(SIZES.messageBody)],
  wrong: [
    ...notJson,
    sized(SIZES.messageBody + 1),
    (random) => sized(random.below(20) === 0 ? 60_000 : 17_000)(random),
  ],
  deep: tooDeep,
};

/** By the name of the key in the schemas; those of one name mean the same wherever they stand. */
export const FIELDS: Readonly<Record<string, Field>> = {
  name: {
    valid: [
      ...[
        json('x'),
        json('x'.repeat(64)),
        json('\u{1f600}'.repeat(64)),
        json('\u202e\u05e9\u05dc\u05d5\u05dd'),
        json('__proto__'),
      ],
      ...[json('<b>'), json(' '), json("'; --"), json('\n')],
    ],
    wrong: [
      ...NOT_TEXT,
      ...HOSTILE_TEXTS,
      json(''),
      json('x'.repeat(65)),
      json('\u{1f600}'.repeat(65)),
      json('x'.repeat(60_000)),
    ],
  },
  capacity: {
    valid: [...all('2', '50', '2.0'), (random) => String(2 + random.below(49))],
    wrong: [...NOT_NUMBER, ...all('1', '51', '2.5', '-2', '1e308', '9007199254740992')],
  },
  metadata: {
    valid: [
      ...[() => '{}', json({ a: { b: ['\u{1f600}'] } }), () => nestedObjects(SIZES.depth)],
      () => JSON.stringify({ a: 'x'.repeat(SIZES.metadata - 8) }),
    ],
    wrong: [
      ...all('null', '[]', '"x"', '7', '[{}]'),
      ...[json({ 'a\u0000': 1 }), json({ a: '\ud800' }), json({ a: 'x'.repeat(SIZES.metadata - 7) })],
    ],
    deep: [
      () => nestedObjects(SIZES.depth + 1),
      (random) => `{"a":${nestedLists(random.below(40) === 0 ? 30_000 : SIZES.depth)}}`,
    ],
  },
  approval: boolean,
  shareHistory: boolean,
  admit: boolean,
  locked: boolean,
  key: wordOf(16, 64),
  code: {
    valid: [
      ...[json('BCD234'), json('bcd-234'), json(' b c d 2 3 4 '), json('x'.repeat(64)), json('')],
      // The domain says that these can't be codes, and counts them. None so long that a packet could get too large by it.
      ...[json('x'.repeat(65)), json('\u{1f600}')],
      json('AEIOU0'),
    ],
    wrong: [...NOT_TEXT, ...HOSTILE_TEXTS],
  },
  knockId: uuid,
  participantId: uuid,
  to: uuid,
  id: wordOf(8, 64),
  type: {
    valid: [...[json('text'), json('a'), json('a'.repeat(64)), json('web-rtc.offer:1_2')]],
    wrong: [
      ...NOT_TEXT,
      ...HOSTILE_TEXTS,
      json(''),
      json('a'.repeat(65)),
      json('Text'),
      json('a b'),
      json('text\n'),
      json('\u00e4'),
    ],
  },
  body,
  afterSeq: seq,
  beforeSeq: seq,
  delivered: seq,
  read: seq,
  limit: {
    valid: [...all('1', '200', '50.0'), (random) => String(1 + random.below(200))],
    wrong: [...NOT_NUMBER, ...all('0', '201', '1.5', '-1', '1e9')],
  },
  state: {
    valid: all('"active"', '"idle"'),
    wrong: [...NOT_TEXT, ...HOSTILE_TEXTS, ...all('""', '"Active"', '"idle "', '"__proto__"', '"away"')],
  },
  token: {
    valid: [json('a token'), json('x'.repeat(20_000)), json('\u{1f600}')],
    wrong: [...NOT_TEXT, ...HOSTILE_TEXTS, json('')],
  },
};
