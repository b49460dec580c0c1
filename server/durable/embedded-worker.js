/**
 * The thread in which the embedded Postgres computes: PGlite blocks the thread that it runs in, and the thread of the
 * event loop must never wait for it. Plain JavaScript, because a worker is loaded by Node.js itself, which reads no
 * TypeScript in version 20.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { WireBridge } from './wire-bridge.js';

/**
 * @typedef {object} EmbeddedWorkerData
 * @property {string} directory of the database
 * @property {{ path: string } | { host: string, port: number }} address
 * @property {string} secret see WireBridge
 */

/**
 * What this thread tells.
 * @typedef {{ kind: 'ready', port: number | null } | { kind: 'failed', message: string } | { kind: 'pong' }
 *   | { kind: 'upkeep', isRunning: boolean }} FromWorker
 */

/**
 * What this thread is told.
 * @typedef {{ kind: 'stop' } | { kind: 'ping' }} ToWorker
 */

/**
 * - shared_buffers: PGlite clears this memory at each start; 128 MB, its default, cost 100 ms and 130 MB of RSS, and at
 *   the first start, where initdb tries sizes, 1 s.
 * - max_wal_size: what a start after `kill -9` may have to replay. Its default, 1 GB, would take minutes.
 * - full_page_writes stays on: a write that SIGKILL interrupts can leave half a page behind.
 * - synchronous_commit stays on: it is the write to the log, before the answer, that survives `kill -9`.
 */
const SETTINGS = [
  'shared_buffers=16MB',
  'max_wal_size=64MB',
  'min_wal_size=32MB',
  'full_page_writes=on',
  'synchronous_commit=on',
];

/**
 * Segments of the log of 1 MB instead of 16: a commit that begins a segment waits until it is filled with zeros.
 */
const INITDB = ['--wal-segsize=1', ...SETTINGS.flatMap((setting) => ['--set', setting])];

/** The statements of upkeep.ts that take as long as a table is large, as the protocol brings them: a query by itself. */
const UPKEEP = /^Q....(vacuum|analyze) /s;

class Database extends PGlite {
  /**
   * A query that PGlite makes at each start to learn the types of arrays, which only its own API needs.
   * @override
   */
  async _initArrayTypes() {}

  /**
   * This thread answers nothing while it computes, and says so before where that may be for long.
   * @override
   * @param {Parameters<PGlite['execProtocolRawStream']>[0]} message
   * @param {Parameters<PGlite['execProtocolRawStream']>[1]} options
   */
  async execProtocolRawStream(message, options) {
    if (!UPKEEP.test(Buffer.from(message.subarray(0, 16)).toString('latin1'))) {
      return super.execProtocolRawStream(message, options);
    }
    tell({ kind: 'upkeep', isRunning: true });
    try {
      return await super.execProtocolRawStream(message, options);
    } finally {
      tell({ kind: 'upkeep', isRunning: false });
    }
  }
}

const { directory, address, secret } = /** @type {EmbeddedWorkerData} */ (workerData);

/** @param {FromWorker} message */
function tell(message) {
  parentPort?.postMessage(message);
}

/**
 * What Postgres said last while it started: PGlite's own error tells only that it did not.
 * @type {string[]}
 */
const lastWords = [];
let isReady = false;

/** @param {unknown} error */
function fail(error) {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell({ kind: 'failed', message: [reason, ...lastWords].join('\n') });
  // Of a worker this ends the thread, also out of the middle of a query; the process goes on.
  process.exit(1);
}

/** @param {string} dataDir */
async function open(dataDir) {
  const database = new Database({
    dataDir,
    startParams: [...PGlite.defaultStartParams, ...SETTINGS.flatMap((setting) => ['-c', setting])],
    initDbStartParams: INITDB,
    onStderr: (line) => {
      // PGlite goes on after a panic of Postgres, with a memory that nobody can trust.
      if (/\bPANIC:|^Aborted\(|RuntimeError/.test(line)) fail(new Error(line.trim()));
      // Afterwards it also says what clients did wrong, with their data.
      if (!isReady) lastWords.splice(0, Math.max(0, lastWords.push(line.trim()) - 5));
      return false;
    },
  });
  await database.waitReady;
  return database;
}

/**
 * PGlite copies a fresh database into its directory file by file. Killed in the middle, it would leave a directory
 * that looks like a database and is none: so it is made beside its place, and moved there when it is whole.
 */
async function initialise() {
  const unfinished = `${directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  // Private from the first moment: what holds it may be open to others.
  await mkdir(unfinished, { mode: 0o700 });
  const database = await open(unfinished);
  await database.close();
  await rename(unfinished, directory);
}

async function run() {
  if (!existsSync(directory)) await initialise();
  const database = await open(directory);
  const bridge = new WireBridge(database, secret, fail);
  if ('path' in address) await rm(address.path, { force: true });
  const port = await bridge.listen(address);

  parentPort?.on('message', (/** @type {ToWorker} */ message) => {
    if (message.kind === 'ping') tell({ kind: 'pong' });
    else
      void bridge
        .stop()
        .then(() => database.close())
        .then(() => process.exit(0), fail);
  });
  isReady = true;
  lastWords.length = 0;
  tell({ kind: 'ready', port });
}

run().catch(fail);
