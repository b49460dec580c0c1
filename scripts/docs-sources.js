import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { readWireTypes } from './docs-types.js';

/**
 * @typedef {import('./docs-types.js').Schema} Schema
 * @typedef {typeof import('../protocol/errors.ts').ERRORS} Errors
 * @typedef {typeof import('../protocol/limits.ts').LIMITS} Limits
 * @typedef {typeof import('../protocol/limits.ts').SIZES} Sizes
 * @typedef {typeof import('../protocol/closings.ts').CLOSINGS} Closings
 * @typedef {import('../server/http/api/route.ts').ApiRoute} ApiRoute
 *
 * @typedef {object} DocsSources what the references are made of
 * @property {string} version
 * @property {import('./docs-types.js').WireTypes} types
 * @property {Errors} errors
 * @property {Limits} limits
 * @property {Sizes} sizes
 * @property {Closings} closings
 * @property {string} codeAlphabet
 * @property {Map<string, Schema>} payloads of each command, as the server takes it
 * @property {Schema} handshake
 * @property {Map<string, readonly ApiRoute[]>} routes by the title of their section
 * @property {Schema} openApi
 */

/**
 * Loads what the server itself is made of: the compiled files of a build, or the sources where something else compiles
 * them. What needs a database or a socket is not asked for: routes and commands are looked at, and not run.
 * @param {{ root: string, code: string, ending: '.js' | '.ts' }} places `root` has protocol/ in TypeScript, `code` both
 * rooms in a form that can be imported
 * @returns {Promise<DocsSources>}
 */
export async function loadDocsSources({ root, code, ending }) {
  /** @param {string} name @returns {Promise<any>} a module; the callers say what it holds */
  const load = (name) => import(pathToFileURL(path.join(code, name + ending)).href);
  /** @type {typeof import('../protocol/errors.ts')} */
  const { ERRORS } = await load('protocol/errors');
  /** @type {typeof import('../protocol/limits.ts')} */
  const { LIMITS, SIZES, CODE_ALPHABET } = await load('protocol/limits');
  /** @type {typeof import('../protocol/closings.ts')} */
  const { CLOSINGS } = await load('protocol/closings');
  const types = readWireTypes(root);
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const routes = await loadRoutes(load, SIZES.messageBody);
  /** @type {typeof import('../server/http/api/openapi.ts')} */
  const { openApiOf } = await load('server/http/api/openapi');
  const { payloads, handshake } = await loadPayloads(load, SIZES, types);
  return {
    version,
    types,
    errors: ERRORS,
    limits: LIMITS,
    sizes: SIZES,
    closings: CLOSINGS,
    codeAlphabet: CODE_ALPHABET,
    payloads,
    handshake,
    routes,
    openApi: openApiOf([...routes.values()].flat(), version),
  };
}

/** Stands for the services behind a route or a command, which nobody calls here. */
const UNUSED = /** @type {never} */ (/** @type {unknown} */ ({}));

/** @param {(name: string) => Promise<any>} load @param {number} maxBodyBytes */
async function loadRoutes(load, maxBodyBytes) {
  /** @type {typeof import('../server/http/api/account-routes.ts')} */
  const { accountRoutes } = await load('server/http/api/account-routes');
  /** @type {typeof import('../server/http/api/session-routes.ts')} */
  const { sessionRoutes } = await load('server/http/api/session-routes');
  /** @type {typeof import('../server/http/api/analytics-routes.ts')} */
  const { analyticsRoutes } = await load('server/http/api/analytics-routes');
  /** @type {typeof import('../server/http/api/mail-routes.ts')} */
  const { mailRoutes } = await load('server/http/api/mail-routes');
  /** @type {typeof import('../server/http/api/webhook-routes.ts')} */
  const { webhookRoutes } = await load('server/http/api/webhook-routes');
  /** @type {typeof import('../server/http/api/debug-routes.ts')} */
  const { debugRoutes } = await load('server/http/api/debug-routes');
  return new Map([
    ['Accounts', accountRoutes(UNUSED)],
    ['Sessions', sessionRoutes({ directory: UNUSED, backend: UNUSED, maxBodyBytes })],
    ['Analytics', analyticsRoutes(UNUSED)],
    ['Invitations', mailRoutes(UNUSED)],
    ['Webhooks', webhookRoutes(UNUSED)],
    ['Debugging', debugRoutes(UNUSED)],
  ]);
}

/**
 * The schemas that the server parses with, as JSON Schema. What their code checks beyond their form is added here; the
 * test of the AsyncAPI document gives both the same payloads and compares what they say.
 * @param {(name: string) => Promise<any>} load @param {Sizes} sizes @param {import('./docs-types.js').WireTypes} types
 */
async function loadPayloads(load, sizes, types) {
  /** @type {typeof import('../server/realtime/commands/commands.ts')} */
  const { createCommands } = await load('server/realtime/commands/commands');
  /** @type {typeof import('../server/realtime/schemas.ts')} */
  const { schemas } = await load('server/realtime/schemas');
  /** @type {typeof import('../server/sessions/payloads.ts')} */
  const { name, metadata } = await load('server/sessions/payloads');
  const commands = createCommands(/** @type {never} */ (/** @type {unknown} */ ({ maxBodyBytes: sizes.messageBody })));
  const send = /** @type {ReturnType<typeof schemas.send>} */ (commands.get('message:send')?.schema);
  /** @type {[unknown, Schema][]} */
  const beyondForm = [
    [name, { minLength: 1, maxLength: sizes.nameCharacters }],
    [metadata, { type: 'object', 'x-maxBytes': sizes.metadata }],
    [send.shape.body, { 'x-maxBytes': sizes.messageBody }],
    [schemas.signal.shape.body, { 'x-maxBytes': sizes.signalBody }],
    [schemas.history, { not: { required: ['afterSeq', 'beforeSeq'] } }],
    [schemas.receipt, { anyOf: [{ required: ['delivered'] }, { required: ['read'] }] }],
  ];
  const rules = new Map(beyondForm);
  /** @param {z.ZodType} schema @param {Schema} type */
  const schemaOf = (schema, type) => {
    const described = /** @type {Schema} */ (
      z.toJSONSchema(schema, {
        io: 'input',
        target: 'draft-7',
        unrepresentable: 'any',
        override: ({ zodSchema, jsonSchema }) => void Object.assign(jsonSchema, rules.get(zodSchema)),
      })
    );
    delete described.$schema;
    return withDocs(described, type);
  };
  const payloads = types.commands.map(({ name: command, payload }) => {
    const found = commands.get(command);
    if (found === undefined) throw new Error(`The server has no command ${command}, which protocol/ names.`);
    return /** @type {const} */ ([command, schemaOf(found.schema, payload)]);
  });
  return { payloads: new Map(payloads), handshake: schemaOf(schemas.handshake, types.handshake) };
}

/**
 * What the comments of the type say, at the fields of the schema. Both must have the same fields.
 * @param {Schema} schema @param {Schema} type @returns {Schema}
 */
function withDocs(schema, type) {
  const fields = /** @type {Record<string, Schema>} */ (schema.properties ?? {});
  const typed = /** @type {Record<string, Schema>} */ (type.properties ?? {});
  if (Object.keys(fields).sort().join() !== Object.keys(typed).sort().join())
    throw new Error(`The type has the fields ${Object.keys(typed).join()}, the schema ${Object.keys(fields).join()}.`);
  if (Object.keys(fields).length === 0) return schema;
  const properties = Object.entries(fields).map(([field, described]) => {
    const of = typed[field] ?? {};
    const doc = of.description === undefined ? {} : { description: of.description };
    return [field, { ...(of.properties === undefined ? described : withDocs(described, of)), ...doc }];
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}
