import path from 'node:path';
import ts from 'typescript';

/**
 * @typedef {Record<string, unknown>} Schema a JSON Schema
 * @typedef {{ name: string, doc: string, payload: Schema, result: Schema }} CommandType
 * @typedef {{ name: string, doc: string, payload: Schema }} EventType
 * @typedef {object} WireTypes
 * @property {CommandType[]} commands
 * @property {EventType[]} events
 * @property {Schema} handshake
 * @property {Map<string, Schema>} shapes interfaces that the others refer to, by name
 * @property {Map<string, string>} sizes doc comments of `SIZES`
 * @property {string} closings doc comment of `CLOSINGS`
 */

/**
 * Reads the types of protocol/, which exist in no compiled file, and what their comments say. A type becomes a JSON
 * Schema; one that has no form there is an error, so that nothing is left out without a word.
 * @param {string} root of the project
 * @returns {WireTypes}
 */
export function readWireTypes(root) {
  const files = ['commands', 'events', 'limits', 'closings', 'errors'].map((name) =>
    path.join(root, 'protocol', `${name}.ts`),
  );
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    // All that these types are made of: the newer parts of the language would be half as much work again.
    lib: ['lib.es5.d.ts'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  });
  const reader = new TypeReader(program);
  const commands = reader.fieldsOf('commands', 'Commands').map((command) => {
    const fields = new Map(reader.fields(command.type).map((field) => [field.name, field]));
    const schemaOf = (/** @type {string} */ name) => reader.schema(need(fields.get(name), name).type);
    return { name: command.name, doc: command.doc, payload: schemaOf('payload'), result: schemaOf('result') };
  });
  const events = reader
    .fieldsOf('events', 'Events')
    .map(({ name, doc, type }) => ({ name, doc, payload: reader.schema(type) }));
  const handshake = reader.inlined('commands', 'HandshakeAuth');
  // An ack that refuses carries it, and so does a connect_error.
  reader.schema(reader.typeOf('errors', 'WireError'));
  return {
    commands,
    events,
    handshake,
    shapes: reader.shapes,
    sizes: new Map(reader.fieldsOf('limits', 'SIZES').map(({ name, doc }) => [name, doc])),
    closings: reader.docOf('closings', 'CLOSINGS'),
  };
}

/** @typedef {{ name: string, doc: string, type: ts.Type, isOptional: boolean }} Field */

class TypeReader {
  /** @type {Map<string, Schema>} */
  shapes = new Map();
  /** @type {ts.Program} */
  #program;
  /** @type {ts.TypeChecker} */
  #checker;

  /** @param {ts.Program} program */
  constructor(program) {
    this.#program = program;
    this.#checker = program.getTypeChecker();
  }

  /** @param {string} file @param {string} name */
  fieldsOf(file, name) {
    return this.fields(this.typeOf(file, name));
  }

  /** @param {string} file @param {string} name */
  typeOf(file, name) {
    const symbol = this.#symbol(file, name);
    return symbol.flags & ts.SymbolFlags.Variable
      ? this.#checker.getTypeOfSymbol(symbol)
      : this.#checker.getDeclaredTypeOfSymbol(symbol);
  }

  /** @param {string} file @param {string} name */
  docOf(file, name) {
    return this.#doc(this.#symbol(file, name));
  }

  /** Of the type itself, where `schema` would give a reference to it. @param {string} file @param {string} name */
  inlined(file, name) {
    return this.#object(this.typeOf(file, name));
  }

  /** @param {ts.Type} type @returns {Field[]} */
  fields(type) {
    return type.getProperties().map((symbol) => ({
      name: symbol.name,
      doc: this.#doc(symbol),
      type: this.#typeOfField(symbol),
      isOptional: (symbol.flags & ts.SymbolFlags.Optional) !== 0,
    }));
  }

  /** As it is written: the checker adds `undefined` to what is optional, and forgets the alias. @param {ts.Symbol} symbol */
  #typeOfField(symbol) {
    const { valueDeclaration: declared } = symbol;
    return declared !== undefined && ts.isPropertySignature(declared) && declared.type !== undefined
      ? this.#checker.getTypeFromTypeNode(declared.type)
      : this.#checker.getTypeOfSymbol(symbol);
  }

  /** @param {ts.Type} type @returns {Schema} */
  schema(type) {
    const alias = type.aliasSymbol?.name;
    if (alias === 'JsonValue') return {};
    if (alias === 'JsonObject') return { type: 'object' };
    if (alias === 'EmptyPayload') return { type: 'object', properties: {}, required: [] };
    if (type.isUnion()) return this.#union(type);
    if (type.isStringLiteral()) return { const: type.value };
    if (type.flags & ts.TypeFlags.String) return { type: 'string' };
    if (type.flags & ts.TypeFlags.Number) return { type: 'number' };
    if (type.flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' };
    if (type.flags & ts.TypeFlags.Null) return { type: 'null' };
    if (this.#checker.isArrayType(type)) {
      const [element] = this.#checker.getTypeArguments(/** @type {ts.TypeReference} */ (type));
      return { type: 'array', items: this.schema(need(element, 'the type of an element')) };
    }
    if (type.symbol?.name === 'Record' || type.getStringIndexType() !== undefined) return { type: 'object' };
    if ((type.flags & ts.TypeFlags.Object) === 0) throw new Error(`No JSON Schema for ${this.#text(type)}.`);
    if ((type.symbol.flags & ts.SymbolFlags.Interface) === 0) return this.#object(type);
    const { name } = type.symbol;
    if (!this.shapes.has(name)) {
      // Before its fields are read: one of them may be of the same type.
      this.shapes.set(name, {});
      const doc = this.#doc(type.symbol);
      this.shapes.set(name, { ...(doc === '' ? {} : { description: doc }), ...this.#object(type) });
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** @param {ts.UnionType} type @returns {Schema} */
  #union({ types }) {
    // A body that may also be one binary buffer: any value at all.
    if (types.some((part) => part.symbol?.name === 'Uint8Array')) return {};
    const literals = types.flatMap((part) => (part.isStringLiteral() ? [part.value] : []));
    // What may be null is read as that: null comes last.
    const isNull = (/** @type {ts.Type} */ part) => Number((part.flags & ts.TypeFlags.Null) !== 0);
    const others = types.filter((part) => !part.isStringLiteral()).sort((one, other) => isNull(one) - isNull(other));
    /** @type {Schema[]} */
    const parts = literals.length === 0 ? [] : [{ type: 'string', enum: literals }];
    for (const part of others) {
      const schema = this.schema(part);
      if (!parts.some((known) => JSON.stringify(known) === JSON.stringify(schema))) parts.push(schema);
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { anyOf: parts };
  }

  /** @param {ts.Type} type @returns {Schema} */
  #object(type) {
    const fields = this.fields(type);
    return {
      type: 'object',
      properties: Object.fromEntries(
        fields.map(({ name, doc, type: of }) => [
          name,
          { ...this.schema(of), ...(doc === '' ? {} : { description: doc }) },
        ]),
      ),
      required: fields.filter(({ isOptional }) => !isOptional).map(({ name }) => name),
    };
  }

  /** @param {ts.Symbol} symbol */
  #doc(symbol) {
    return ts.displayPartsToString(symbol.getDocumentationComment(this.#checker)).replace(/\s+/g, ' ').trim();
  }

  /** @param {ts.Type} type */
  #text(type) {
    return this.#checker.typeToString(type);
  }

  /** @param {string} file @param {string} name */
  #symbol(file, name) {
    const source = this.#program.getSourceFiles().find(({ fileName }) => fileName.endsWith(`/protocol/${file}.ts`));
    const module = this.#checker.getSymbolAtLocation(need(source, `protocol/${file}.ts`));
    return need(module?.exports?.get(ts.escapeLeadingUnderscores(name)), `${name} of protocol/${file}.ts`);
  }
}

/** @template T @param {T | undefined} value @param {string} what @returns {T} */
function need(value, what) {
  if (value === undefined) throw new Error(`The documentation needs ${what}, and it is not there.`);
  return value;
}
