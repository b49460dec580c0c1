/**
 * The Postgres wire protocol in front of PGlite, so that one driver serves embedded and real Postgres.
 *
 * PGlite has one session. What a driver sends for one query (Parse, Bind, Describe, Execute, Sync) therefore runs as
 * one unit here, and a connection that is inside a transaction keeps the session until it is over. Running message by
 * message, as @electric-sql/pglite-socket 0.2.17 does, lets a query of another connection slip in between as soon as a
 * parameter is longer than one read of the socket: of 400 queries with a parameter of 300 kB over four connections,
 * 248 were answered with the row of another query. A unit is also cheaper: one call into PGlite instead of five.
 */
import { createServer } from 'node:net';

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const PROTOCOL_3_0 = 196608;

/** Longest frame that is taken: far above what the store sends, far below what would end the process. */
const LONGEST_FRAME = 256 * 1024 * 1024;

const PARSE = 0x50; // P
const BIND = 0x42; // B
const CLOSE = 0x43; // C
const DESCRIBE = 0x44; // D
const SYNC = 0x53; // S
const QUERY = 0x51; // Q
const TERMINATE = 0x58; // X
const STATEMENT = 0x53; // S, in Close and Describe

/**
 * The part of PGlite that is needed here.
 * @typedef {object} Database
 * @property {(message: Uint8Array, options: { syncToFs: boolean, onRawData: (data: Uint8Array) => void }) => Promise<void>} execProtocolRawStream
 * @property {() => boolean} isInTransaction
 */

/** @typedef {{ connection: BridgeConnection, bytes: Buffer | null }} Unit `bytes` null: clean up behind the connection. */

export class WireBridge {
  /** @type {Database} */
  #database;
  /** @type {string} */
  #secret;
  /** @type {(error: unknown) => void} */
  #onFailure;
  #server = createServer((socket) => this.#accept(socket));
  /** @type {Set<BridgeConnection>} */
  #connections = new Set();
  /** @type {Unit[]} */
  #queue = [];
  /**
   * The connection whose transaction is open.
   * @type {BridgeConnection | null}
   */
  #owner = null;
  /** @type {Promise<void> | null} */
  #running = null;
  #stopping = false;
  #connectionCount = 0;

  /**
   * @param {Database} database
   * @param {string} secret must stand in the startup packet of each connection (its application_name): on TCP anybody
   *   on this machine can connect
   * @param {(error: unknown) => void} onFailure PGlite threw: it can't be used any more
   */
  constructor(database, secret, onFailure) {
    this.#database = database;
    this.#secret = secret;
    this.#onFailure = onFailure;
  }

  /**
   * @param {{ path: string } | { host: string, port: number }} address
   * @returns {Promise<number | null>} the port, on TCP
   */
  listen(address) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(address, () => {
        this.#server.off('error', reject);
        // An accept that fails later (no file descriptors) is the trouble of that client, which sees no connection.
        this.#server.on('error', () => {});
        const bound = this.#server.address();
        resolve(bound !== null && typeof bound === 'object' ? bound.port : null);
      });
    });
  }

  /** Lets the unit that runs end, drops the others and all connections. */
  async stop() {
    this.#stopping = true;
    this.#server.close();
    this.#queue = [];
    await this.#running;
    for (const connection of this.#connections) connection.socket.destroy();
    this.#connections.clear();
  }

  /** @param {import('node:net').Socket} socket */
  #accept(socket) {
    this.#connectionCount += 1;
    const connection = new BridgeConnection(socket, `c${this.#connectionCount}_`, this.#secret, (bytes) =>
      this.#enqueue({ connection, bytes }),
    );
    this.#connections.add(connection);
    // 'close' follows, and is where the connection is forgotten.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#connections.delete(connection);
      // What the client did not wait for is not run: it learned nothing of it.
      this.#queue = this.#queue.filter((unit) => unit.connection !== connection);
      this.#enqueue({ connection, bytes: null });
    });
  }

  /** @param {Unit} unit */
  #enqueue(unit) {
    if (this.#stopping) return;
    this.#queue.push(unit);
    this.#running ??= this.#run().then(
      () => {
        this.#running = null;
      },
      (error) => {
        this.#running = null;
        this.#stopping = true;
        this.#onFailure(error);
      },
    );
  }

  async #run() {
    for (;;) {
      const unit = this.#next();
      if (unit === undefined) return;
      const { connection } = unit;
      const bytes = unit.bytes ?? connection.cleanUp(this.#owner === connection);
      /** @type {Buffer[]} */
      const answer = [];
      if (bytes.length > 0) {
        await this.#database.execProtocolRawStream(bytes, {
          syncToFs: false,
          // The data is a view of PGlite's memory, which the next call overwrites.
          onRawData: (data) => answer.push(Buffer.from(data)),
        });
      }
      this.#owner = this.#database.isInTransaction() ? connection : null;
      if (answer.length > 0 && connection.socket.writable) connection.socket.write(Buffer.concat(answer));
    }
  }

  #next() {
    if (this.#owner === null) return this.#queue.shift();
    const index = this.#queue.findIndex((unit) => unit.connection === this.#owner);
    return index === -1 ? undefined : this.#queue.splice(index, 1)[0];
  }
}

/** Cuts the bytes of one client into units. */
class BridgeConnection {
  /** @type {import('node:net').Socket} */
  socket;
  /**
   * Statements are prepared in the one session, where names of two connections would meet.
   * @type {string}
   */
  #prefix;
  /** @type {Set<string>} */
  #statements = new Set();
  /** @type {string} */
  #secret;
  /** @type {(bytes: Buffer) => void} */
  #onUnit;
  #isStarted = false;
  /** @type {Buffer[]} */
  #received = [];
  #receivedLength = 0;
  /** How many bytes it takes to go on: a long frame is not put together at each read. */
  #needed = 8;
  /** @type {Buffer[]} */
  #unit = [];

  /**
   * @param {import('node:net').Socket} socket
   * @param {string} prefix
   * @param {string} secret
   * @param {(bytes: Buffer) => void} onUnit
   */
  constructor(socket, prefix, secret, onUnit) {
    this.socket = socket;
    this.#prefix = prefix;
    this.#secret = secret;
    this.#onUnit = onUnit;
    socket.on('data', (data) => this.#receive(/** @type {Buffer} */ (data)));
  }

  /**
   * What ends the traces of this connection in the session.
   * @param {boolean} ownsTransaction
   */
  cleanUp(ownsTransaction) {
    const frames = [...this.#statements].map((name) => frame(CLOSE, Buffer.of(STATEMENT), text(name)));
    if (frames.length > 0) frames.push(frame(SYNC));
    if (ownsTransaction) frames.unshift(frame(QUERY, text('rollback')));
    return Buffer.concat(frames);
  }

  /** @param {Buffer} data */
  #receive(data) {
    this.#received.push(data);
    this.#receivedLength += data.length;
    if (this.#receivedLength < this.#needed) return;
    let rest = this.#received.length === 1 ? data : Buffer.concat(this.#received, this.#receivedLength);
    for (;;) {
      const length = this.#frameLength(rest);
      if (length > LONGEST_FRAME || length < 0) {
        this.socket.destroy();
        return;
      }
      this.#needed = length;
      if (rest.length < length) break;
      this.#take(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#received = rest.length === 0 ? [] : [rest];
    this.#receivedLength = rest.length;
  }

  /**
   * Length of the frame that the bytes begin with, as far as they tell it.
   * @param {Buffer} bytes
   */
  #frameLength(bytes) {
    if (!this.#isStarted) return bytes.length < 8 ? 8 : Math.max(8, bytes.readInt32BE(0));
    return bytes.length < 5 ? 5 : 1 + Math.max(4, bytes.readInt32BE(1));
  }

  /** @param {Buffer} bytes one whole frame */
  #take(bytes) {
    if (!this.#isStarted) {
      this.#start(bytes);
      return;
    }
    switch (bytes[0]) {
      case TERMINATE:
        this.socket.end();
        return;
      case PARSE:
      case BIND:
      case DESCRIBE:
      case CLOSE:
        this.#unit.push(...this.#renamed(bytes));
        return;
      case QUERY:
      case SYNC: {
        this.#unit.push(bytes);
        const unit = Buffer.concat(this.#unit);
        this.#unit = [];
        this.#onUnit(unit);
        return;
      }
      default:
        this.#unit.push(bytes);
    }
  }

  /** @param {Buffer} bytes */
  #start(bytes) {
    const code = bytes.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      this.socket.write('N');
      return;
    }
    // Also a request to cancel: there is no other process that could be told.
    if (code !== PROTOCOL_3_0 || !bytes.includes(text(this.#secret))) {
      this.socket.destroy();
      return;
    }
    this.#isStarted = true;
    this.#onUnit(Buffer.from(bytes));
  }

  /**
   * The same frame with this connection's name for the prepared statement; the frame as it is when it names none.
   * @param {Buffer} bytes
   * @returns {Buffer[]}
   */
  #renamed(bytes) {
    let start = 5;
    if (bytes[0] === DESCRIBE || bytes[0] === CLOSE) {
      if (bytes[5] !== STATEMENT) return [bytes];
      start = 6;
    }
    // Bind names the portal first.
    if (bytes[0] === BIND) start = bytes.indexOf(0, start) + 1;
    const end = bytes.indexOf(0, start);
    if (end <= start) return [bytes];
    const name = this.#prefix + bytes.toString('utf8', start, end);
    if (bytes[0] === PARSE) this.#statements.add(name);
    if (bytes[0] === CLOSE) this.#statements.delete(name);
    const head = Buffer.from(bytes.subarray(0, start));
    head.writeInt32BE(bytes.readInt32BE(1) + Buffer.byteLength(this.#prefix), 1);
    return [head, text(name), bytes.subarray(end + 1)];
  }
}

/**
 * @param {number} type
 * @param {Buffer[]} parts
 */
function frame(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/**
 * Text as the protocol ends it.
 * @param {string} value
 */
function text(value) {
  return Buffer.from(`${value}\0`);
}
