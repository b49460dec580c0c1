import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { CLOSINGS } from '../protocol/closings.ts';
import { COMMAND_NAMES } from '../protocol/commands.ts';
import type { CommandName } from '../protocol/commands.ts';
import { ERRORS } from '../protocol/errors.ts';
import { EVENT_NAMES } from '../protocol/events.ts';
import { LIMITS, SIZES } from '../protocol/limits.ts';
import { createCommands } from '../server/realtime/commands/commands.ts';
import type { Services } from '../server/realtime/commands/command.ts';
import { schemas } from '../server/realtime/schemas.ts';
import { asyncApiOf } from '../scripts/docs-asyncapi.js';
import { loadDocsSources } from '../scripts/docs-sources.js';
import { startServer } from './support/server.ts';

const root = path.join(import.meta.dirname, '..');
const { schemasWithoutId } = createRequire(import.meta.url)('@asyncapi/specs') as {
  schemasWithoutId: Record<string, object>;
};

let document: ReturnType<typeof asyncApiOf>;
let openApi: unknown;
let ajv: Ajv;

beforeAll(async () => {
  const sources = await loadDocsSources({ root, code: root, ending: '.ts' });
  document = asyncApiOf(sources);
  ({ openApi } = sources);
  ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addKeyword({
    keyword: 'x-maxBytes',
    validate: (most: number, value: unknown) =>
      (value instanceof Uint8Array ? value.byteLength : Buffer.byteLength(JSON.stringify(value))) <= most,
  });
  ajv.addSchema(document, 'tandem');
}, 60_000);

const validators = new Map<string, ValidateFunction>();

/** Of a place in the document, so that its references lead where they lead for every reader. */
function validator(place: string): ValidateFunction {
  const known = validators.get(place) ?? ajv.compile({ $ref: `tandem#/${place}` });
  validators.set(place, known);
  return known;
}

const messagePlace = (name: string) => `channels/connection/messages/${name.replaceAll('/', '~1')}/payload`;

describe('the AsyncAPI document', () => {
  it('is AsyncAPI 3.0 by its own schema', () => {
    const specification = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    const isValid = specification.compile(schemasWithoutId['3.0.0'] ?? false);
    isValid(document);
    expect(isValid.errors ?? []).toEqual([]);
    expect(isValid({ ...document, channels: { connection: { address: 7 } } })).toBe(false);
  });

  it('has every command, ack and event of the protocol, and nothing more', () => {
    const messages = [
      ...COMMAND_NAMES.flatMap((name) => [`command.${name}`, `ack.${name}`]),
      ...EVENT_NAMES.map((name) => `event.${name}`),
    ];
    expect(Object.keys(document.channels.connection.messages).sort()).toEqual(messages.sort());
    expect(Object.keys(document.operations).sort()).toEqual(messages.filter((name) => !name.startsWith('ack.')).sort());
    const places = JSON.stringify(document).matchAll(/"\$ref":"#\/(.*?)"/g);
    for (const [, place = ''] of places) expect([place, at(place)]).toEqual([place, expect.anything()]);
  });

  it('has every error, closing reason, limit and size of the protocol, as they are', () => {
    expect(document['x-errors']).toEqual(ERRORS);
    expect(document['x-closings']).toEqual(CLOSINGS);
    expect(document['x-limits']).toEqual(LIMITS);
    expect(document['x-sizes']).toEqual(SIZES);
    const { ErrorCode, ClosingReason, WireError } = document.components.schemas as Record<string, unknown>;
    expect(ErrorCode).toEqual({ type: 'string', enum: Object.keys(ERRORS) });
    expect(ClosingReason).toEqual({ type: 'string', enum: Object.keys(CLOSINGS) });
    // What the types say, said once more by the lists that exist at run time.
    const code = (WireError as { properties: { code: { enum: string[] } } }).properties.code.enum;
    expect(code.toSorted()).toEqual(Object.keys(ERRORS).sort());
    const { reason } = at('channels/connection/messages/event.connection:closing/payload/properties') as {
      reason: { enum: string[] };
    };
    expect(reason.enum.toSorted()).toEqual(Object.keys(CLOSINGS).sort());
  });

  it('takes and refuses the payloads that the server takes and refuses', () => {
    // Nothing is run: a schema needs none of the services.
    const services = { maxBodyBytes: SIZES.messageBody } as unknown as Services;
    const commands = createCommands(services);
    const seen = new Map<CommandName, Set<boolean>>();
    for (const name of COMMAND_NAMES) {
      const schema = commands.get(name)?.schema;
      const check = (payload: unknown) => {
        const isTaken = schema?.safeParse(payload).success ?? false;
        expect([name, payload, validator(messagePlace(`command.${name}`))(payload)]).toEqual([name, payload, isTaken]);
        seen.set(name, (seen.get(name) ?? new Set()).add(isTaken));
      };
      for (const payload of PAYLOADS) check(payload);
      fc.assert(fc.property(payloadsFor(name), check), { numRuns: 300, seed: 1 });
    }
    for (const name of COMMAND_NAMES) expect([name, seen.get(name)?.size]).toEqual([name, 2]);
  });

  it('takes and refuses the handshakes that the server takes and refuses', () => {
    const isValid = validator('components/schemas/Handshake');
    const seen = new Set<boolean>();
    const check = (auth: unknown) => {
      const isTaken = schemas.handshake.safeParse(auth).success;
      expect([auth, isValid(auth)]).toEqual([auth, isTaken]);
      seen.add(isTaken);
    };
    for (const auth of [{}, { token: 'x' }, { token: 7 }, { resume: {} }, { resume: null }, { other: 1 }, 'x'])
      check(auth);
    const resume = fc.record(
      {
        sessionId: UUID,
        participantId: UUID,
        resumeToken: fc.oneof(fc.constant('t'.repeat(43)), fc.constant('')),
        epoch: NUMBER,
        lastSeq: NUMBER,
        lastId: fc.option(ID, { nil: undefined }),
        durableSeq: NUMBER,
      },
      { requiredKeys: ['sessionId', 'participantId', 'resumeToken', 'epoch'] },
    );
    fc.assert(
      fc.property(fc.record({ resume }), (auth) => check(JSON.parse(JSON.stringify(auth)))),
      { seed: 1 },
    );
    expect(seen.size).toBe(2);
  });

  it('describes every ack and event of a conversation, and beside it is the description of HTTP that is served', async () => {
    const server = await startServer({ DEBUG_API: 'true', ADMIN_TOKEN: 'the-admin-token-of-this-test' });
    const faults: string[] = [];
    const heard = new Set<string>();
    const judge = (message: string, payload: unknown) => {
      heard.add(message);
      const isValid = validator(messagePlace(message));
      if (!isValid(payload)) faults.push(`${message}: ${ajv.errorsText(isValid.errors)} ${JSON.stringify(payload)}`);
      const unknown = Object.keys(payload as object).filter((key) => !fieldsOf(message).has(key));
      if (unknown.length > 0) faults.push(`${message} has ${unknown.join()}, which is not described`);
    };
    const sockets: Socket[] = [];
    const connect = (auth: object = {}) => {
      const socket = io(server.url, { transports: ['websocket'], forceNew: true, auth });
      socket.onAny((event: string, payload: unknown) => judge(`event.${event}`, payload));
      sockets.push(socket);
      return socket;
    };
    const ask = async (socket: Socket, command: CommandName, payload: object = {}): Promise<Answer> => {
      const ack = (await socket.emitWithAck(command, payload)) as Answer; // Judged, and read only after that.
      judge(`ack.${command}`, ack);
      return ack;
    };
    const next = (socket: Socket, event: string) =>
      new Promise<void>((resolve) => void socket.once(event, () => resolve()));
    let served: unknown;
    try {
      served = await (await fetch(`${server.url}/api/v1/openapi.json`)).json();
      const [host, guest] = [connect(), connect()];
      const { session, self } = await ask(host, 'session:create', { metadata: { a: 1 }, capacity: 3 });
      const paired = [next(host, 'session:paired'), next(host, 'session:joined')];
      const joined = await ask(guest, 'session:join', { code: session.code, name: 'Bob' });
      await Promise.all(paired);
      const newMessage = next(guest, 'message:new');
      await ask(host, 'message:send', { id: randomUUID(), body: 'one' });
      await newMessage;
      const told = [next(host, 'message:receipt'), next(host, 'signal:new'), next(host, 'session:activity')];
      await ask(guest, 'message:receipt', { read: 1 });
      await ask(guest, 'message:history');
      await ask(guest, 'signal:send', { type: 'typing', body: null });
      await ask(guest, 'activity:report', { state: 'idle' });
      await ask(guest, 'session:kick', { participantId: self.participantId });
      await ask(guest, 'auth:refresh', { token: 'x' });
      await ask(guest, 'message:send', { id: 'x' });
      await Promise.all(told);
      const failed = next(guest, 'command:failed');
      guest.emit('session:close', {});
      await failed;
      const updated = next(guest, 'session:updated');
      await ask(host, 'session:lock', { locked: true });
      await updated;
      await ask(host, 'session:get');
      await ask(host, 'session:reopen');
      await ask(host, 'session:admit', { knockId: randomUUID(), admit: true });
      const away = next(host, 'session:presence');
      guest.disconnect();
      await away;
      const back = connect({
        resume: {
          sessionId: session.id,
          participantId: joined.self.participantId,
          resumeToken: joined.self.resumeToken,
          epoch: session.epoch,
          lastSeq: 0,
        },
      });
      await next(back, 'session:resumed');
      const closing = [next(back, 'connection:closing'), next(host, 'session:left')];
      await ask(host, 'session:kick', { participantId: joined.self.participantId });
      await Promise.all(closing);
      const closed = next(host, 'session:closed');
      await ask(host, 'session:close');
      await closed;
      await ask(host, 'session:leave');
    } finally {
      for (const socket of sockets) socket.disconnect();
      await server.stop();
    }
    expect(openApi).toEqual(served);
    expect(faults).toEqual([]);
    const silent = COMMAND_NAMES.filter((name) => !heard.has(`ack.${name}`));
    expect(silent).toEqual([]);
    expect([...heard].filter((name) => name.startsWith('event.')).length).toBeGreaterThanOrEqual(12);
  }, 60_000);
});

interface Answer {
  readonly ok: boolean;
  readonly session: { id: string; code: string; epoch: number };
  readonly self: { participantId: string; resumeToken: string };
}

function at(place: string): unknown {
  return place
    .split('/')
    .reduce<unknown>((part, step) => (part as Record<string, unknown> | undefined)?.[step], document);
}

/** The fields that a message may have at its top, behind references and alternatives. */
function fieldsOf(message: string): ReadonlySet<string> {
  const collect = (schema: Shape): string[] => [
    ...Object.keys(schema.properties ?? {}),
    ...(schema.oneOf ?? []).flatMap(collect),
    ...(schema.$ref === undefined ? [] : collect(at(schema.$ref.slice('#/'.length)) as Shape)),
  ];
  return new Set(collect(at(messagePlace(message)) as Shape));
}

interface Shape {
  readonly properties?: object;
  readonly oneOf?: readonly Shape[];
  readonly $ref?: string;
}

const PAYLOADS = [
  ...[{}, [], null, 'text', 7, { other: 1 }],
  ...[
    { name: '' },
    { name: '\u{1f600}'.repeat(64) },
    { name: '\u{1f600}'.repeat(65) },
    { capacity: 1 },
    { capacity: 2.5 },
  ],
  ...[
    { metadata: [] },
    { metadata: null },
    { metadata: { a: 'x'.repeat(4087) } },
    { metadata: { a: 'x'.repeat(4089) } },
  ],
  ...[{ key: 'short' }, { key: 'k'.repeat(16) }, { approval: 1 }, { shareHistory: null }],
  ...[{ code: 'BCD234' }, { code: 'x'.repeat(65) }, { code: 7 }],
  ...[{ knockId: randomUUID(), admit: true }, { knockId: 'x', admit: true }, { knockId: randomUUID() }],
  ...[{ participantId: randomUUID() }, { participantId: null }, { locked: true }, { locked: 'true' }],
  ...[{ id: 'message-1', body: null }, { id: 'message-1' }, { id: 'message-1', body: 'é'.repeat(8191) }],
  ...[
    { id: 'message-1', body: 'é'.repeat(8192) },
    { id: 'message-1', body: 1, type: 'A' },
  ],
  ...[{ afterSeq: 1 }, { afterSeq: 1, beforeSeq: 2 }, { limit: 201 }, { limit: 200 }, { afterSeq: 2 ** 53 }],
  ...[{ delivered: 0 }, { read: -1 }, { delivered: 1, read: 1.5 }],
  ...[{ type: 'a', body: Buffer.alloc(16_384) }, { type: 'a', body: Buffer.alloc(16_385) }, { type: 'a' }],
  ...[
    { type: 'typing', body: 1, to: randomUUID() },
    { type: 'typing', body: 1, to: '' },
  ],
  ...[{ state: 'idle' }, { state: 'away' }, { token: 't' }, { token: '' }],
];

const UUID = fc.oneof(fc.constant(randomUUID()), fc.constant(randomUUID().toUpperCase()), fc.constant('not-a-uuid'));
const NUMBER = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.constantFrom(2 ** 53 - 1, 2 ** 53, 0.5));
const ID = fc.oneof(fc.constant('message-1'), fc.stringMatching(/^[A-Za-z0-9_. -]{6,10}$/));
const ANYTHING = fc.oneof(fc.jsonValue({ maxDepth: 2 }), NUMBER, ID, fc.boolean());

/** Payloads near to right ones: each field is now and then there, and now and then wrong. */
function payloadsFor(name: CommandName): fc.Arbitrary<object> {
  const fields = Object.keys(at(`${messagePlace(`command.${name}`)}/properties`) as object);
  const right: Record<string, fc.Arbitrary<unknown>> = {
    ...Object.fromEntries(['knockId', 'participantId', 'to'].map((field) => [field, UUID])),
    ...Object.fromEntries(
      ['afterSeq', 'beforeSeq', 'limit', 'delivered', 'read', 'capacity'].map((field) => [field, NUMBER]),
    ),
    ...Object.fromEntries(['admit', 'locked', 'approval', 'shareHistory'].map((field) => [field, fc.boolean()])),
    ...{
      id: ID,
      key: fc.constant('k'.repeat(20)),
      type: fc.constantFrom('text', 'a.b:c', 'Nein'),
      name: fc.constant('Ada'),
    },
    ...{ state: fc.constantFrom('active', 'idle', 'away'), metadata: fc.dictionary(fc.string(), fc.jsonValue()) },
  };
  const model = fields.map((field) => [field, fc.oneof({ weight: 5, arbitrary: right[field] ?? ANYTHING }, ANYTHING)]);
  return fc
    .record(Object.fromEntries(model) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] })
    .chain((payload) =>
      fc.oneof({ weight: 9, arbitrary: fc.constant(payload) }, fc.constant({ ...payload, surplus: true })),
    );
}
