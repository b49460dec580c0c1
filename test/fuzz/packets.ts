import type { ErrorCode } from '../../protocol/errors.ts';
import type { Random } from '../support/random.ts';
import { BAD_FRAMES, binaryFrame, emptyPieces, pingFlood, textFrame, unusualText } from './frames.ts';
import { HostileJson, nestedLists } from './hostile-json.ts';
import { Payloads, type CommandShape } from './payloads.ts';

/** What must be answered: `ok` by a domain that takes everything, a refusal with this code, or anything at all. */
export type Expected = 'ok' | 'anything' | Extract<ErrorCode, 'INVALID_PAYLOAD' | 'UNKNOWN_COMMAND'>;

export interface Input {
  /** For whoever reads a failure. */
  readonly what: string;
  readonly bytes: Buffer;
  /** Id of the acknowledgement that has to come; null: none has to. */
  readonly ackId: number | null;
  readonly expected: Expected;
  /** The server may end the connection for it alone. */
  readonly mayEnd: boolean;
  /** It counts towards the end of the connection. */
  readonly isStrike: boolean;
  /** Others of the connection wait for it. */
  readonly changesSeat: boolean;
  /** Nothing that follows on the connection would be understood. */
  readonly isLast: boolean;
}

const NAMES = [
  ...['error', '__proto__', 'constructor', 'toString', 'message', 'ping', '', 'session', 'session:', 'SESSION:GET'],
  ...['session:get ', 'session:get\u0000', '\ud800', '\u202e', 'hasOwnProperty', 'then', 'e'.repeat(60_000)],
];
const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];
const NO_PACKETS = [
  ...[
    '',
    '4',
    '42',
    '42[]',
    '42[null]',
    '42{}',
    '42"x"',
    '42[["session:get"],{}]',
    '42[{"__proto__":1}]',
    '42["session:get",{',
  ],
  ...[
    '49[]',
    '4x[]',
    '47',
    '40',
    '40{}',
    '40{"token":"x"}',
    '40null',
    '40[]',
    '41',
    '41["x"]',
    '44{"message":"x"}',
    '44"x"',
  ],
  ...[
    '40/admin,{}',
    '40/,{}',
    '40//,{}',
    '40/__proto__,{}',
    '40/%00,',
    '41/admin,',
    '42/admin,["session:get",{}]',
    '40?token=x,',
  ],
  ...[
    '0',
    '0{"sid":"x"}',
    '1',
    '2',
    '2probe',
    '3',
    '3probe',
    '5',
    '6',
    '7',
    '9',
    'b',
    'bAAAA',
    'b!!!!',
    '\u001e',
    '4\u001e4',
  ],
  ...[
    '45',
    '45-',
    '450-[]',
    '45-1-["x"]',
    '451.5-["x"]',
    '4511-["x"]',
    '451e0-["x"]',
    '45 1-["x"]',
    '46',
    '461-[]',
    '460-[]',
  ],
  ...['45' + '1'.repeat(300), '45' + '1'.repeat(300) + '-["x"]', '451-', '451-["session:get"]', '461-7["x"]'],
  ...[
    '43',
    '430[]',
    '43[]',
    '4399999["x"]',
    '431[{"__proto__":1}]',
    '431',
    '43-1[]',
    '431.5[]',
    `43${'9'.repeat(29)}[]`,
  ],
  ...['42-1["session:get",{}]', '421.5["session:get",{}]', '42 1["session:get",{}]', '42 ["session:get",{}]'],
];

/** Packets of Socket.IO, from right to absurd. */
export class Packets {
  readonly #random: Random;
  readonly #payloads: Payloads;
  readonly #hostile: HostileJson;
  readonly #shapes: readonly CommandShape[];
  readonly #seatChanging: ReadonlySet<string>;
  /** Above those that mutated packets have. */
  #nextAckId = 1000;

  constructor(random: Random, shapes: readonly CommandShape[], seatChanging: ReadonlySet<string>) {
    this.#random = random;
    this.#payloads = new Payloads(random);
    this.#hostile = new HostileJson(random);
    this.#shapes = shapes;
    this.#seatChanging = seatChanging;
  }

  next(): Input {
    const kind = this.#random.below(100);
    if (kind < 66) return this.#command();
    if (kind < 70) return this.#withoutAck();
    if (kind < 76) return this.#unknown();
    if (kind < 81) return this.#binary();
    if (kind < 85) return this.#argumentCount();
    if (kind < 88) return this.#unusualForm();
    if (kind < 94) return this.#mutated();
    if (kind < 98) return hostile(`no packet`, textFrame(this.#random.pick(NO_PACKETS)));
    const [what, make] = this.#random.pick(BAD_FRAMES);
    return { ...hostile(`a frame that is wrong: ${what}`, make(this.#random)), isLast: true };
  }

  /** A right one, to tell whether the server still serves. */
  valid(name: string): Input {
    const shape = this.#shapes.find((one) => one.name === name);
    if (shape === undefined) throw new Error(`there is no command ${name}`);
    return this.#commandOf(shape, true);
  }

  #command(): Input {
    return this.#commandOf(this.#random.pick(this.#shapes), false);
  }

  #commandOf(shape: CommandShape, isValid: boolean): Input {
    const { json, verdict } = isValid ? this.#payloads.valid(shape) : this.#payloads.of(shape);
    const ackId = this.#nextAckId++;
    return {
      what: `${verdict} ${shape.name}`,
      bytes: textFrame(`42${ackId}["${shape.name}",${json}]`),
      ackId,
      expected: verdict === 'valid' ? 'ok' : verdict === 'hostile' ? 'anything' : 'INVALID_PAYLOAD',
      mayEnd: false,
      isStrike: verdict === 'deep' || verdict === 'hostile',
      changesSeat: this.#seatChanging.has(shape.name),
      isLast: false,
    };
  }

  #withoutAck(): Input {
    const shape = this.#random.pick(this.#shapes);
    const { json } = this.#payloads.of(shape);
    const input = quiet(`${shape.name} without ack`, textFrame(`42["${shape.name}",${json}]`));
    return { ...input, isStrike: true, changesSeat: this.#seatChanging.has(shape.name) };
  }

  #unknown(): Input {
    const random = this.#random;
    const ackId = this.#nextAckId++;
    if (random.below(8) === 0) {
      return hostile('a reserved event', textFrame(`42${ackId}["${random.pick(RESERVED)}",{}]`));
    }
    const name =
      random.below(4) === 0 ? random.pick(['7', '-1', '1.5', '1e999', '0']) : JSON.stringify(random.pick(NAMES));
    // A name of 60 kB leaves no room for more.
    const payload = name.length > 1000 ? '{}' : random.below(10) === 0 ? nestedLists(4_200) : this.#hostile.value(2);
    return {
      ...{ what: `an unknown command`, bytes: textFrame(`42${ackId}[${name},${payload}]`), ackId },
      ...{ expected: 'UNKNOWN_COMMAND', mayEnd: false, isStrike: true, changesSeat: false, isLast: false },
    };
  }

  #binary(): Input {
    const random = this.#random;
    const ackId = this.#nextAckId++;
    const placeholder = '{"_placeholder":true,"num":0}';
    const attachment = Buffer.alloc(random.pick([0, 1, 1000, 16_384]), random.below(256));
    switch (random.below(8)) {
      case 0:
      case 1: {
        const header = textFrame(`451-${ackId}["signal:send",{"type":"x","body":${placeholder}}]`);
        const bytes = Buffer.concat([header, binaryFrame(attachment)]);
        return { ...answered('a binary signal', bytes, ackId), expected: 'ok' };
      }
      case 2: {
        const header = textFrame(`451-${ackId}["signal:send",{"type":"x","body":${placeholder}}]`);
        const bytes = Buffer.concat([header, binaryFrame(Buffer.alloc(16_385))]);
        return { ...answered('a binary signal that is too large', bytes, ackId), expected: 'INVALID_PAYLOAD' };
      }
      case 3: {
        const field = random
          .pick(['"body":{"a":PLACE}', '"body":PLACE,"type":PLACE', '"body":1,"id":PLACE'])
          .replaceAll('PLACE', placeholder);
        const header = textFrame(`451-${ackId}["message:send",{"id":"message-1",${field}}]`);
        const bytes = Buffer.concat([header, binaryFrame(attachment)]);
        return { ...answered('binary where text is due', bytes, ackId), expected: 'INVALID_PAYLOAD' };
      }
      case 4:
        return hostile('binary without a header', binaryFrame(attachment));
      case 5: {
        const count = random.pick([2, 10, 11, 0, 99_999]);
        const header = textFrame(`45${count}-${ackId}["signal:send",{"type":"x","body":${placeholder}}]`);
        return hostile('attachments that never come', Buffer.concat([header, binaryFrame(attachment)]));
      }
      case 6: {
        const num = random.pick(['7', '-1', '"0"', '0.5', 'null', '1e9', '"__proto__"', '"length"']);
        const header = textFrame(`451-${ackId}["signal:send",{"type":"x","body":{"_placeholder":true,"num":${num}}}]`);
        return hostile('a placeholder of nothing', Buffer.concat([header, binaryFrame(attachment)]));
      }
      default: {
        const header = textFrame(
          `451-${ackId}["signal:send",${nestedLists(random.pick([40, 40, 40, 4_200, 30_000]))}]`,
        );
        return hostile('a deep packet with an attachment', Buffer.concat([header, binaryFrame(attachment)]));
      }
    }
  }

  #argumentCount(): Input {
    const shape = this.#random.pick(this.#shapes);
    const ackId = this.#nextAckId++;
    const { json } = this.#payloads.valid(shape);
    const more = Array.from({ length: 1 + this.#random.below(3) }, () => this.#hostile.value(1));
    const bytes = textFrame(`42${ackId}["${shape.name}",${[json, ...more].join(',')}]`);
    return { ...answered('two payloads', bytes, ackId), expected: 'INVALID_PAYLOAD' };
  }

  #unusualForm(): Input {
    const random = this.#random;
    switch (random.below(6)) {
      case 0:
        return quiet('a flood of pings', pingFlood(50));
      case 1:
        return quiet('a message of empty pieces', emptyPieces(50));
      case 2: {
        const id = random.pick(['9'.repeat(29), '9007199254740993', '0'.repeat(60) + '1', '9'.repeat(400)]);
        return hostile('an ack id that is no number of ours', textFrame(`42${id}["session:get",{}]`));
      }
      case 3:
        return hostile(
          'a packet for another namespace',
          textFrame(`42/${'n'.repeat(random.pick([1, 60_000]))},1["session:get",{}]`),
        );
      default: {
        const ackId = this.#nextAckId++;
        const bytes = unusualText(`42${ackId}["session:get",{}]`, random);
        return { ...answered('a right command in pieces', bytes, ackId), expected: 'ok' };
      }
    }
  }

  #mutated(): Input {
    const random = this.#random;
    const shape = random.pick(this.#shapes);
    const { json } = this.#payloads.valid(shape);
    const text = `42${random.below(10)}["${shape.name}",${json.slice(0, 400)}]`;
    const at = random.below(text.length);
    const cut = text.slice(0, at) + String.fromCharCode(random.below(300)) + text.slice(at + random.below(3));
    return hostile(
      'a mutated packet',
      textFrame(random.below(2) === 0 ? cut : cut.slice(0, random.below(cut.length) + 1)),
    );
  }
}

function answered(what: string, bytes: Buffer, ackId: number): Input {
  return {
    what,
    bytes,
    ackId,
    expected: 'anything',
    mayEnd: false,
    isStrike: false,
    changesSeat: false,
    isLast: false,
  };
}

function quiet(what: string, bytes: Buffer): Input {
  return {
    what,
    bytes,
    ackId: null,
    expected: 'anything',
    mayEnd: false,
    isStrike: false,
    changesSeat: false,
    isLast: false,
  };
}

function hostile(what: string, bytes: Buffer): Input {
  return { ...quiet(what, bytes), mayEnd: true, isStrike: true };
}
