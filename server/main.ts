/** The process: environment, signals, exit codes. */
import { loadConfig } from './config.ts';
import { createServer } from './server.ts';

const EXIT_FAILURE = 1;
/** `EX_CONFIG` of sysexits.h: a supervisor should not restart what can't start. */
const EXIT_CONFIG = 78;

const loaded = loadConfig(process.env, { envFile: '.env' });
if (!loaded.ok) {
  for (const fault of loaded.faults) process.stderr.write(`${fault}\n`);
  process.exit(EXIT_CONFIG);
}
for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`);

const server = createServer(loaded.config);
let isStopping = false;

async function stop(): Promise<void> {
  // The second signal is a person who does not want to wait.
  if (isStopping) process.exit(EXIT_FAILURE);
  isStopping = true;
  await server.stop();
  process.exit(0);
}

function crash(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(EXIT_FAILURE);
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
// A fault that nobody caught: what is in memory can't be trusted any more, what is acknowledged is on disk.
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

try {
  await server.start();
} catch (error) {
  process.stderr.write(`Tandem could not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_FAILURE);
}
