/**
 * `npm run doctor`: looks at the configuration and at all that it names, and says what to do. With `-- --json` it says so
 * to a program. It writes nothing, so it may run beside the server.
 */
import { resolve } from 'node:path';
import { diagnose } from './doctor/doctor.ts';
import { toJson, toText } from './doctor/report.ts';
import { VERSION } from './version.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(parameters: readonly string[]): Promise<number> {
  const unknown = parameters.find((parameter) => parameter !== '--json');
  if (unknown !== undefined) {
    console.error(`Unknown argument ${unknown}: expected none, or --json (npm run doctor -- --json).`);
    return 1;
  }
  const patient = { env: process.env, envFile: resolve('.env'), nodeVersion: process.versions.node };
  const { findings, exitCode } = await diagnose(patient);
  console.log(parameters.includes('--json') ? toJson(findings, VERSION) : toText(findings));
  return exitCode;
}
