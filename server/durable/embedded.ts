/**
 * The embedded Postgres: PGlite in a worker thread, behind a socket, so that one driver serves it and a real server.
 * The worker is watched: one that dies, or answers nothing for long, is replaced, and the pool's connections follow.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Connection } from './connection.ts';
import { lockDataDirectory, type DataDirectoryLock } from './data-directory-lock.ts';
import { isErrno } from './errno.ts';
import type { EmbeddedWorkerData, FromWorker, ToWorker } from './embedded-worker.js';

const SCRATCH_PREFIX = 'tandem-postgres-';
/** The first start makes the database: 4 s here, more on a small machine. */
const READY_MS = 120_000;
const STOP_MS = 5_000;
const PING_MS = 1_000;
/** Pings in a row without an answer after which the worker counts as hung. More than the longest migration step. */
const MISSED_PINGS = 15;
/** The same while it vacuums or gathers statistics, which takes as long as the tables are large: begun anew it would take as long. */
const MISSED_PINGS_OF_UPKEEP = 600;
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 2_000;
/** Linux and macOS take no longer path of a socket. */
const LONGEST_SOCKET_PATH = 100;

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  /** `lost` when the database is gone, `recovered` when it answers again. After the loss of the lock it does not recover. */
  readonly onEvent: (event: 'lost' | 'recovered', error?: Error) => void;
  /** How often the worker is asked whether it still answers; 1000 unless told. */
  readonly pingMs?: number;
}

export interface EmbeddedPostgres {
  /** Stays the same when the worker is replaced. */
  readonly connection: Connection;
  /** Closes the database and gives the directory free; may be called twice. */
  stop(): Promise<void>;
}

/** Rejects with `DataDirectoryInUseError` while another process works in the directory. */
export async function startEmbeddedPostgres({
  dataDir,
  onEvent,
  pingMs = PING_MS,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const scratchDirectory = await mkdtemp(join(tmpdir(), SCRATCH_PREFIX));
  let postgres: EmbeddedWorker | null = null;
  let lock: DataDirectoryLock | null = null;
  const release = async (): Promise<void> => {
    await lock?.release();
    await rm(scratchDirectory, { recursive: true, force: true });
  };
  try {
    lock = await lockDataDirectory(dataDir, {
      scratchDirectory,
      onLost: (error) => {
        void postgres?.kill();
        onEvent('lost', error);
      },
    });
    if (lock.predecessor !== null) await removeScratch(lock.predecessor.scratchDirectory);
    await closeToOthers(dataDir);
    postgres = new EmbeddedWorker({ dataDir, onEvent, pingMs }, scratchDirectory);
    await postgres.start();
    // The first start has made the directory, and nobody has written to it so far.
    await closeToOthers(dataDir);
  } catch (error) {
    await release();
    throw error;
  }
  const running = postgres;
  let stopping: Promise<void> | null = null;
  return {
    connection: running.connection,
    stop: () => (stopping ??= running.stop().finally(release)),
  };
}

/**
 * PGlite makes its directory 0755 and its files 0666. Closing the directory is enough, and does it for databases of
 * earlier versions too, whoever may look into the data directory itself, which may be a mounted volume.
 */
async function closeToOthers(dataDir: string): Promise<void> {
  if (process.platform === 'win32') return;
  for (const name of ['postgres', 'postgres.unfinished']) {
    try {
      await chmod(join(dataDir, name), 0o700);
    } catch (error) {
      // Not made yet; or a file system without modes, or a volume of another owner, on which the database still runs.
      if (!isErrno(error, 'ENOENT', 'EPERM', 'ENOTSUP', 'EROFS')) throw error;
    }
  }
}

/** The path comes out of a file: nothing is removed that this module would not have made. */
async function removeScratch(path: string): Promise<void> {
  if (dirname(path) !== tmpdir() || !basename(path).startsWith(SCRATCH_PREFIX)) return;
  await rm(path, { recursive: true, force: true });
}

class EmbeddedWorker {
  readonly #dataDir: string;
  readonly #onEvent: EmbeddedPostgresOptions['onEvent'];
  readonly #pingMs: number;
  readonly #secret = randomBytes(16).toString('hex');
  #address: EmbeddedWorkerData['address'];
  #worker: Worker | null = null;
  /** Of the worker before: resolves when its thread has ended. */
  #ended: Promise<unknown> = Promise.resolve();
  #isEnding = false;
  #retry: NodeJS.Timeout | null = null;
  #watch: NodeJS.Timeout | null = null;
  #backoffMs = FIRST_BACKOFF_MS;

  constructor({ dataDir, onEvent, pingMs }: Required<EmbeddedPostgresOptions>, scratchDirectory: string) {
    this.#dataDir = dataDir;
    this.#onEvent = onEvent;
    this.#pingMs = pingMs;
    // The name by which the driver looks for a socket in a directory.
    const path = join(scratchDirectory, '.s.PGSQL.5432');
    const takesSocket = process.platform !== 'win32' && path.length <= LONGEST_SOCKET_PATH;
    this.#address = takesSocket ? { path } : { host: '127.0.0.1', port: 0 };
  }

  get connection(): Connection {
    const address = this.#address;
    const place = 'path' in address ? { host: dirname(address.path), port: 5432 } : address;
    return { ...place, user: 'postgres', database: 'postgres', application_name: this.#secret, ssl: false };
  }

  /** Resolves when the database takes connections. */
  async start(): Promise<void> {
    const worker = new Worker(new URL('./embedded-worker.js', import.meta.url), {
      workerData: {
        directory: join(this.#dataDir, 'postgres'),
        address: this.#address,
        secret: this.#secret,
      } satisfies EmbeddedWorkerData,
      // A worker takes over flags of the process, and refuses to start with some of them.
      execArgv: [],
    });
    this.#worker = worker;
    let failure: Error | null = null;
    worker.on('error', (error: Error) => {
      failure = error;
    });
    const ready = new Promise<number | null>((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`It was not ready within ${READY_MS} ms`)), READY_MS);
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'failed') failure = new Error(message.message);
        if (message.kind !== 'ready') return;
        clearTimeout(deadline);
        resolve(message.port);
      });
      worker.on('exit', (code) => {
        clearTimeout(deadline);
        reject(failure ?? new Error(`Its thread ended with code ${code}`));
      });
    });
    try {
      const port = await ready;
      if (port !== null && 'port' in this.#address) this.#address = { ...this.#address, port };
    } catch (error) {
      this.#worker = null;
      await (this.#ended = worker.terminate());
      throw new Error(`The embedded Postgres in ${this.#dataDir} did not start`, { cause: error });
    }
    if (this.#isEnding) return;
    this.#watchOver(worker);
    worker.on('exit', (code) => {
      this.#lose(worker, failure ?? new Error(`The thread of the embedded Postgres ended with code ${code}`));
    });
  }

  #watchOver(worker: Worker): void {
    let missed = 0;
    let allowed = MISSED_PINGS;
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'pong') missed = 0;
      if (message.kind === 'upkeep') allowed = message.isRunning ? MISSED_PINGS_OF_UPKEEP : MISSED_PINGS;
    });
    // Counted in pings, not in time: after a stall of this thread the answer is read before the next ping goes.
    this.#watch = setInterval(() => {
      missed += 1;
      if (missed > allowed) {
        this.#lose(worker, new Error(`The embedded Postgres did not answer for ${(allowed * this.#pingMs) / 1000} s`));
        return;
      }
      worker.postMessage({ kind: 'ping' } satisfies ToWorker);
    }, this.#pingMs);
    this.#watch.unref();
  }

  #lose(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#stopWatching();
    // A thread that is in a system call ends after it, and may write until then: two in the same files would destroy them.
    this.#ended = worker.terminate();
    if (this.#isEnding) return;
    this.#onEvent('lost', error);
    void this.#ended.then(() => this.#startAgain());
  }

  #startAgain(): void {
    if (this.#isEnding) return;
    this.#retry = setTimeout(() => {
      this.start().then(
        () => {
          this.#backoffMs = FIRST_BACKOFF_MS;
          if (!this.#isEnding) this.#onEvent('recovered');
        },
        (error: unknown) => {
          if (this.#isEnding) return;
          this.#onEvent('lost', error instanceof Error ? error : new Error(String(error)));
          this.#startAgain();
        },
      );
    }, this.#backoffMs);
    this.#backoffMs = Math.min(2 * this.#backoffMs, LONGEST_BACKOFF_MS);
  }

  async stop(): Promise<void> {
    const worker = this.#end();
    // Who calls gives the directory free afterwards.
    if (worker === null) {
      await this.#ended;
      return;
    }
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ kind: 'stop' } satisfies ToWorker);
    const deadline = setTimeout(() => void worker.terminate(), STOP_MS);
    await exit;
    clearTimeout(deadline);
  }

  /** Ends the thread now: what is committed stays, as after `kill -9`. */
  async kill(): Promise<void> {
    const worker = this.#end();
    if (worker !== null) this.#ended = worker.terminate();
    await this.#ended;
  }

  #end(): Worker | null {
    this.#isEnding = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#stopWatching();
    const worker = this.#worker;
    this.#worker = null;
    return worker;
  }

  #stopWatching(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
  }
}
