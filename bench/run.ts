/** `npm run bench`: starts servers, lets the generator load them, prints what was measured. It never fails by a figure. */
import { describeMachine } from './machine.ts';
import { parseOptions, USAGE, UsageError, type Options, type ScenarioName } from './options.ts';
import { FIFTY, OPEN500, PAIR, runLoadScenario } from './scenarios/load.ts';
import { formatReport, type Report } from './report.ts';
import { runArchiveScenario } from './scenarios/archive.ts';
import { runCrossScenario } from './scenarios/cross.ts';
import { runDrainScenario } from './scenarios/drain.ts';
import { runHistoryScenario } from './scenarios/history.ts';
import { runLoginsScenario } from './scenarios/logins.ts';
import { runObservabilityScenario } from './scenarios/observability.ts';
import { runPeersScenario } from './scenarios/peers.ts';
import { runRelayScenario } from './scenarios/relay.ts';
import { runStartScenario } from './scenarios/start.ts';
import { runTimingScenario } from './scenarios/timing.ts';
import { runTokensScenario } from './scenarios/tokens.ts';
import { runLatencyScenario } from './scenarios/latency.ts';
import { runOverloadScenario } from './scenarios/overload.ts';
import { runTogetherScenario } from './scenarios/together.ts';
import { runSeatsScenario } from './scenarios/seats.ts';
import { runResumesScenario } from './scenarios/resumes.ts';
import { runGrowthScenario } from './scenarios/growth.ts';
import { runRedisScenario } from './scenarios/redis.ts';
import { Workspace } from './workspace.ts';

await main();

async function main(): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
  }
  try {
    const options = parseOptions(process.argv.slice(2));
    await runScenarios(options, interrupted.signal);
  } catch (error) {
    process.exitCode = 1;
    if (!(error instanceof Error)) throw error;
    // An interruption surfaces as the failure of whatever was under way; what the user wants to read is its cause.
    if (interrupted.signal.aborted) console.error(String(interrupted.signal.reason));
    else console.error(error instanceof UsageError ? `${error.message}\n${USAGE}` : error);
  }
}

async function runScenarios(options: Options, signal: AbortSignal): Promise<void> {
  const machine = describeMachine();
  if (options.format !== 'json') console.log(machine);
  const workspace = await Workspace.create(options.serverScript, signal);
  try {
    for (const name of options.scenarios) {
      const report = await runScenario(name, options, workspace);
      console.log(formatReport(options.format, name, machine, report));
    }
  } finally {
    await workspace.remove();
  }
}

function runScenario(name: ScenarioName, options: Options, workspace: Workspace): Promise<Report> {
  switch (name) {
    case 'start':
      return runStartScenario(workspace);
    case 'pair':
      return runLoadScenario(PAIR, options, workspace);
    case 'fifty':
      return runLoadScenario(FIFTY, options, workspace);
    case 'open500':
      return runLoadScenario(OPEN500, options, workspace);
    case 'cross':
      return runCrossScenario(options, workspace);
    case 'relay':
      return runRelayScenario(options, workspace);
    case 'history':
      return runHistoryScenario(options, workspace.signal);
    case 'archive':
      return runArchiveScenario(options, workspace.signal);
    case 'tokens':
      return runTokensScenario(workspace.signal);
    case 'logins':
      return runLoginsScenario(options, workspace);
    case 'timing':
      return runTimingScenario(workspace);
    case 'observability':
      return runObservabilityScenario(options, workspace);
    case 'drain':
      return runDrainScenario(options, workspace);
    case 'peers':
      return runPeersScenario(options, workspace);
    case 'redis':
      return runRedisScenario(options, workspace);
    case 'growth':
      return runGrowthScenario(options, workspace);
    case 'resumes':
      return runResumesScenario(options, workspace);
    case 'seats':
      return runSeatsScenario(options, workspace);
    case 'together':
      return runTogetherScenario(options, workspace);
    case 'overload':
      return runOverloadScenario(options, workspace);
    case 'latency':
      return runLatencyScenario(options, workspace);
  }
}
