/** The process: environment, signals, exit codes. */
import { loadConfig } from './config.ts';
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from './durable/embedded.ts';
import { secretValues } from './config/secret-values.ts';
import { createTextMask } from './observability/log-mask.ts';
import type { Server } from './server.ts';
import { exitCodeOf, startFault } from './start-fault.ts';

const EXIT_FAILURE = 1;
/** `EX_CONFIG` of sysexits.h: a supervisor should not restart what can't start. */
const EXIT_CONFIG = 78;
const ONE_SIGNAL_MS = 500;

const loaded = loadConfig(process.env, { envFile: '.env' });
if (!loaded.ok) {
  for (const fault of loaded.faults) process.stderr.write(`${fault}\n`);
  process.exit(EXIT_CONFIG);
}
for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`);
const { config } = loaded;
const mask = createTextMask(secretValues(config));

function crash(error: unknown): void {
  process.stderr.write(`${mask(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`);
  process.exit(EXIT_FAILURE);
}

// A fault that nobody caught: what is in memory can't be trusted any more, what is acknowledged is on disk.
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

let server: Server | null = null;
let isStopping = false;
let signalledAt: number | null = null;

function onSignal(): void {
  if (signalledAt === null) {
    // Also after an operator asked for a stop: that one goes on.
    signalledAt = performance.now();
    void stop();
    return;
  }
  // Ctrl-C reaches every process of a terminal, and npm passes its own on: that was one signal.
  if (performance.now() - signalledAt < ONE_SIGNAL_MS) return;
  // The second one is a person who does not want to wait.
  process.exit(EXIT_FAILURE);
}

/** Asked again, it goes on as it does. */
async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  if (server === null) {
    // Nobody took the database over yet. One that did not start has left nothing behind.
    await database?.then(
      (postgres) => postgres.stop(),
      () => undefined,
    );
  } else {
    await server.stop();
  }
  process.exit(0);
}

// Before there is anything that a signal could leave behind.
process.on('SIGTERM', onSignal);
process.on('SIGINT', onSignal);

// The database opens in a thread of its own while this one loads the rest of the code: half of a start is waiting for both.
let onDatabaseEvent: EmbeddedPostgresOptions['onEvent'] = () => undefined;
const database =
  config.database.kind === 'embedded'
    ? startEmbeddedPostgres({
        dataDir: config.dataDir,
        onEvent: (event, error) => onDatabaseEvent(event, error),
      })
    : null;
// Awaited by the server; until then a failure is nobody's.
database?.catch(() => undefined);

const { createServer } = await import('./server.ts');
if (!mustStop()) await run();

async function run(): Promise<void> {
  server = createServer(config, {
    ...(database === null
      ? {}
      : {
          startDatabase: (onEvent) => {
            onDatabaseEvent = onEvent;
            return database;
          },
        }),
    onFatal: crash,
    onStopAsked: () => void stop(),
  });
  try {
    await server.start();
  } catch (error) {
    // Told to stop meanwhile: that goes on, and ends the process.
    if (mustStop()) return;
    process.stderr.write(`Tandem could not start: ${startFault(error, config) ?? mask(reasons(error))}\n`);
    process.exit(exitCodeOf(error));
  }
}

/** A function, because the compiler does not see that a signal changes the variable. */
function mustStop(): boolean {
  return isStopping;
}

/** The message of an error and of all that caused it, on one line. */
function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasons(error.cause)}`;
}
