import type { CommandName } from '../../protocol/commands.ts';
import type { Random } from '../support/random.ts';
import { FIELDS, type Field } from './fields.ts';
import { HostileJson, nestedLists, nestedObjects, type JsonText } from './hostile-json.ts';

/** `deep`: wrong, and counted towards the end of the connection. `hostile`: nobody says what it must be answered. */
export type Verdict = 'valid' | 'wrong' | 'deep' | 'hostile';

export interface Payload {
  readonly json: JsonText;
  readonly verdict: Verdict;
}

/** A command as the server declares it: the keys of its payload, and which of them must be there. */
export interface CommandShape {
  readonly name: CommandName;
  readonly keys: readonly { readonly key: string; readonly isRequired: boolean }[];
}

const EXTRA_KEYS = [
  ...['extra', 'from', 'seq', 'sentAt', 'isAdmin', 'userId', '__proto__', 'constructor', 'prototype', 'toString', ''],
  ...['\u202e', 'ID', 'id ', '$gt', '_placeholder', 'toJSON', 'then', 'k'.repeat(5_000)],
];

/** What stands between the fields of one payload; null where nothing does. */
const BETWEEN: Partial<
  Record<
    CommandName,
    { readonly oneOf: readonly string[]; readonly isNoneRight: boolean; readonly isBothRight: boolean }
  >
> = {
  'message:history': { oneOf: ['afterSeq', 'beforeSeq'], isNoneRight: true, isBothRight: false },
  'message:receipt': { oneOf: ['delivered', 'read'], isNoneRight: false, isBothRight: true },
};

/** Payloads of the commands: right ones, those that miss by one thing, and what nobody would take for one. */
export class Payloads {
  readonly #random: Random;
  readonly #hostile: HostileJson;

  constructor(random: Random) {
    this.#random = random;
    this.#hostile = new HostileJson(random);
  }

  of(shape: CommandShape): Payload {
    const kind = this.#random.below(20);
    if (kind < 6) return this.valid(shape);
    if (kind < 15) return this.#nearlyValid(shape);
    return this.#hostileOne();
  }

  valid(shape: CommandShape): Payload {
    return { json: objectOf(this.#validFields(shape)), verdict: 'valid' };
  }

  #validFields({ name, keys }: CommandShape): Map<string, JsonText> {
    const random = this.#random;
    const fields = new Map<string, JsonText>();
    for (const { key, isRequired } of keys) {
      if (isRequired || random.below(2) === 0) fields.set(key, this.#make(fieldOf(key).valid));
    }
    const rule = BETWEEN[name];
    const there = rule?.oneOf.filter((key) => fields.has(key)) ?? [];
    if (rule?.isNoneRight === false && there.length === 0) {
      const key = random.pick(rule.oneOf);
      fields.set(key, this.#make(fieldOf(key).valid));
    }
    if (rule?.isBothRight === false && there.length === 2) fields.delete(random.pick(there));
    return fields;
  }

  #nearlyValid(shape: CommandShape): Payload {
    const random = this.#random;
    const fields = this.#validFields(shape);
    const required = shape.keys.filter(({ isRequired }) => isRequired);
    const kind = random.below(6);
    if (kind === 0 || shape.keys.length === 0) {
      const extra = `${JSON.stringify(random.pick(EXTRA_KEYS))}:${random.pick(['1', 'null', '{"polluted":true}', '"x"'])}`;
      const inner = objectOf(fields).slice(1, -1);
      return {
        json: `{${random.below(2) === 0 ? [inner, extra].filter(Boolean).join(',') : [extra, inner].filter(Boolean).join(',')}}`,
        verdict: 'wrong',
      };
    }
    if (kind === 1 && required.length > 0) {
      fields.delete(random.pick(required).key);
      return { json: objectOf(fields), verdict: 'wrong' };
    }
    const { key } = random.pick(shape.keys);
    const field = fieldOf(key);
    if (kind === 2 && field.deep !== undefined) {
      // Left out, any of the others would be the first fault to be found.
      const only = new Map([[key, this.#make(field.deep)]]);
      return { json: objectOf(only), verdict: 'deep' };
    }
    if (kind === 3) {
      // The last of two counts, in every JSON parser that we have: which one that is, is not ours to say.
      const twice = `${JSON.stringify(key)}:${this.#make(field.wrong)}`;
      return { json: `{${[twice, objectOf(fields).slice(1, -1)].filter(Boolean).join(',')}}`, verdict: 'hostile' };
    }
    fields.set(key, this.#make(field.wrong));
    return { json: objectOf(fields), verdict: 'wrong' };
  }

  #hostileOne(): Payload {
    const random = this.#random;
    switch (random.below(12)) {
      case 0:
        return { json: random.pick(['null', '7', '"x"', 'true', '[]', '[[]]', '""', '1e999', '0']), verdict: 'wrong' };
      case 1:
        return { json: `[${this.#hostile.value(1)}]`, verdict: 'hostile' };
      case 2: {
        const depth = random.below(20) === 0 ? random.pick([4_200, 30_000]) : 34 + random.below(100);
        return {
          json: random.below(2) === 0 ? nestedLists(depth) : nestedObjects(Math.min(depth, 9_000)),
          verdict: 'deep',
        };
      }
      case 3: {
        const many = random.below(10) === 0 ? 2_500 : 50;
        return { json: `{${Array.from({ length: many }, (_, n) => `"f${n}":${n}`).join(',')}}`, verdict: 'wrong' };
      }
      default:
        return { json: this.#hostile.value(4), verdict: 'hostile' };
    }
  }

  #make(makes: Field['valid']): JsonText {
    return this.#random.pick(makes)(this.#random);
  }
}

/** Throws for a key that nobody has described: a new field is fuzzed from its first day. */
export function fieldOf(key: string): Field {
  const field = FIELDS[key];
  if (field === undefined)
    throw new Error(`the fuzzer does not know what "${key}" may be: describe it in test/fuzz/fields.ts`);
  return field;
}

function objectOf(fields: ReadonlyMap<string, JsonText>): JsonText {
  return `{${[...fields].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}
