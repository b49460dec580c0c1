/**
 * @typedef {import('./docs-sources.js').DocsSources} DocsSources
 * @typedef {import('./docs-sources.js').Schema} Schema
 */

/** The one channel: a connection, on which both sides send. */
const CHANNEL = 'connection';

/** What JSON Schema has no word for, and the server checks all the same. */
const DESCRIPTION = `The real-time interface: Socket.IO 4, namespace \`/\`, transport \`websocket\`. A command is a Socket.IO event
with one payload and a callback, which receives the ack; where the payload is an empty object it may be left out. An event is
a Socket.IO event without a callback.

Two rules stand in keywords of their own: \`x-maxBytes\` is the largest size of a value as UTF-8 JSON (of a binary body: its
length), and no payload may be nested deeper than \`x-sizes.depth\`. Strings hold neither \`\\u0000\` nor half of a surrogate pair.
Later versions may add fields to acks and events: ignore those that you do not know.`;

/**
 * The real-time interface as AsyncAPI 3.0, from the point of view of the server: it receives commands and sends events.
 * @param {DocsSources} sources
 */
export function asyncApiOf({ version, types, errors, limits, sizes, closings, codeAlphabet, payloads, handshake }) {
  const commands = types.commands.map(({ name, doc, result }) => {
    const payload = payloads.get(name) ?? {};
    return { name, doc, payload, ack: { oneOf: [accepted(result), ref('Refusal')] } };
  });
  /** @type {Record<string, object>} */
  const messages = {};
  /** @type {Record<string, object>} */
  const operations = {};
  for (const { name, doc, payload, ack } of commands) {
    messages[`command.${name}`] = messageOf(name, doc, payload);
    messages[`ack.${name}`] = messageOf(name, `What the callback of \`${name}\` receives.`, ack);
    operations[`command.${name}`] = {
      action: 'receive',
      channel: ref(CHANNEL, 'channels'),
      messages: [messageRef(`command.${name}`)],
      reply: { channel: ref(CHANNEL, 'channels'), messages: [messageRef(`ack.${name}`)] },
    };
  }
  for (const { name, doc, payload } of types.events) {
    messages[`event.${name}`] = messageOf(name, doc, payload);
    operations[`event.${name}`] = {
      action: 'send',
      channel: ref(CHANNEL, 'channels'),
      messages: [messageRef(`event.${name}`)],
    };
  }
  return {
    asyncapi: '3.0.0',
    info: { title: 'Tandem', version, description: DESCRIPTION },
    defaultContentType: 'application/json',
    servers: {
      tandem: { host: '127.0.0.1:3001', pathname: '/socket.io', protocol: 'socket.io', protocolVersion: '5' },
    },
    channels: {
      [CHANNEL]: {
        address: '/',
        description: 'The namespace of Socket.IO. `x-handshake` is what `auth` may hold.',
        messages,
        'x-handshake': ref('Handshake'),
      },
    },
    operations,
    components: {
      schemas: {
        ...Object.fromEntries(types.shapes),
        ErrorCode: { type: 'string', enum: Object.keys(errors) },
        ClosingReason: { type: 'string', enum: Object.keys(closings) },
        Handshake: handshake,
        Refusal: {
          type: 'object',
          properties: { ok: { const: false }, error: ref('WireError') },
          required: ['ok', 'error'],
        },
      },
    },
    'x-errors': errors,
    'x-closings': closings,
    'x-limits': limits,
    'x-sizes': sizes,
    'x-codeAlphabet': codeAlphabet,
  };
}

/** @param {Schema} result @returns {Schema} */
function accepted(result) {
  const { properties = {}, required = [] } = /** @type {{ properties?: object, required?: string[] }} */ (result);
  return { type: 'object', properties: { ok: { const: true }, ...properties }, required: ['ok', ...required] };
}

/** @param {string} name @param {string} doc @param {Schema} payload */
function messageOf(name, doc, payload) {
  return { name, ...(doc === '' ? {} : { description: doc }), payload };
}

/** @param {string} name */
function messageRef(name) {
  return ref(`${CHANNEL}/messages/${name}`, 'channels');
}

/** @param {string} name */
function ref(name, place = 'components/schemas') {
  return { $ref: `#/${place}/${name}` };
}
