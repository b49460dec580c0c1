/** The process: environment, signals, exit codes. */
import { loadConfig } from './config.ts';
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from './durable/embedded.ts';

const EXIT_FAILURE = 1;
/** `EX_CONFIG` of sysexits.h: a supervisor should not restart what can't start. */
const EXIT_CONFIG = 78;

const loaded = loadConfig(process.env, { envFile: '.env' });
if (!loaded.ok) {
  for (const fault of loaded.faults) process.stderr.write(`${fault}\n`);
  process.exit(EXIT_CONFIG);
}
for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`);

function crash(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(EXIT_FAILURE);
}

// A fault that nobody caught: what is in memory can't be trusted any more, what is acknowledged is on disk.
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

// The database opens in a thread of its own while this one loads the rest of the code: half of a start is waiting for both.
let onDatabaseEvent: EmbeddedPostgresOptions['onEvent'] = () => undefined;
const database = startEmbeddedPostgres({
  dataDir: loaded.config.dataDir,
  onEvent: (event, error) => onDatabaseEvent(event, error),
});
// Awaited by the server; until then a failure is nobody's.
database.catch(() => undefined);

const { createServer } = await import('./server.ts');
const server = createServer(loaded.config, {
  startDatabase: (onEvent) => {
    onDatabaseEvent = onEvent;
    return database;
  },
  onFatal: crash,
});

let isStopping = false;

async function stop(): Promise<void> {
  // The second signal is a person who does not want to wait.
  if (isStopping) process.exit(EXIT_FAILURE);
  isStopping = true;
  await server.stop();
  process.exit(0);
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());

try {
  await server.start();
} catch (error) {
  process.stderr.write(`Tandem could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_FAILURE);
}
