import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer, type RunningServer } from './server-process.ts';

const RELAY_SCRIPT = fileURLToPath(new URL('./peers/alone.js', import.meta.url));

/** Limits of the kind that a load exhausts at once. They are off: the subject is the speed of a message, not a refusal. */
const LIMITS_OFF = {
  RATE_LIMIT_MESSAGES_USER_POINTS: '0',
  RATE_LIMIT_MESSAGES_IP_POINTS: '0',
  RATE_LIMIT_MESSAGES_CONNECTION_POINTS: '0',
  RATE_LIMIT_CONNECTIONS_IP_POINTS: '0',
  RATE_LIMIT_COMMANDS_CONNECTION_POINTS: '0',
};

/** Where servers run and keep their data, for the life of one run of the bench. */
export class Workspace {
  readonly #root: string;
  readonly #script: string;
  readonly #signal: AbortSignal;
  #directories = 0;
  #initialised: Promise<string> | null = null;

  private constructor(root: string, script: string, signal: AbortSignal) {
    this.#root = root;
    this.#script = script;
    this.#signal = signal;
  }

  /** `script` is the built server. When `signal` fires, what is under way is given up. */
  static async create(script: string, signal: AbortSignal): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'tandem-bench-')), script, signal);
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  /** A path for a data directory that does not exist yet. */
  newDataDirectory(): string {
    this.#directories += 1;
    return join(this.#root, `data-${this.#directories}`);
  }

  startTandem(dataDirectory: string, own: Record<string, string> = {}): Promise<RunningServer> {
    return startServer({
      script: this.#script,
      env: {
        ...inheritedEnv(),
        ...LIMITS_OFF,
        ...own,
        HOST: '127.0.0.1',
        PORT: '0',
        DATA_DIR: dataDirectory,
        LOG_DIR: '-',
        LOG_FORMAT: 'json',
      },
      cwd: this.#root,
      readyPath: '/health/ready',
      signal: this.#signal,
    });
  }

  /**
   * Tandem on a data directory without sessions. The directory is initialised once and then copied: the first start
   * needs more memory than any load, and would hide what the load needs.
   */
  async startInitialisedTandem(own: Record<string, string> = {}): Promise<RunningServer> {
    return this.startTandem(await this.copyInitialised(), own);
  }

  /** A data directory without sessions, for whoever starts more than one server on it. */
  async copyInitialised(): Promise<string> {
    this.#initialised ??= this.#initialise();
    const dataDirectory = this.newDataDirectory();
    await cp(await this.#initialised, dataDirectory, { recursive: true });
    return dataDirectory;
  }

  startRelay(): Promise<RunningServer> {
    return startServer({
      script: RELAY_SCRIPT,
      env: inheritedEnv(),
      cwd: this.#root,
      readyPath: null,
      signal: this.#signal,
    });
  }

  async remove(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true });
  }

  async #initialise(): Promise<string> {
    const dataDirectory = this.newDataDirectory();
    const server = await this.startTandem(dataDirectory);
    await server.stop();
    return dataDirectory;
  }
}

/** Enough to run Node.js, and none of the caller's settings of Tandem or Node.js. */
function inheritedEnv(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'SystemRoot'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
