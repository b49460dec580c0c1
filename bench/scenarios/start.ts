import { median, milliseconds, type Figure } from '../figures.ts';
import type { RunningServer } from '../server-process.ts';
import type { Workspace } from '../workspace.ts';
import { measure, type LoadShape } from './load.ts';

const FIRST_TARGET_MS = 8_000;
const AGAIN_TARGET_MS = 1_000;
const AGAIN_RUNS = 5;
const KILLED_RUNS = 3;

/** What stands in the data directory when the server is killed: 10 open sessions with messages. */
const BEFORE_THE_KILL: LoadShape = { name: 'before the kill', loop: { kind: 'closed' }, pairs: 10 };
const BEFORE_THE_KILL_MS = 500;

/** Time from the start of the process to the first 200 on `/health/ready`. */
export async function runStartScenario(workspace: Workspace): Promise<{ title: string; figures: Figure[] }> {
  const dataDirectory = workspace.newDataDirectory();
  const first = await readyThen(workspace, dataDirectory, (server) => server.stop());

  const again: number[] = [];
  while (again.length < AGAIN_RUNS) {
    again.push(await readyThen(workspace, dataDirectory, (server) => server.stop()));
  }

  const killed: number[] = [];
  for (let run = 0; run < KILLED_RUNS; run += 1) {
    await readyThen(workspace, dataDirectory, async (server) => {
      await measure(BEFORE_THE_KILL, server, BEFORE_THE_KILL_MS, workspace.signal);
      await server.kill();
    });
    killed.push(await readyThen(workspace, dataDirectory, (server) => server.stop()));
  }

  return {
    title: 'start: from the start of the process to ready',
    figures: [
      readyFigure('first time', [first], FIRST_TARGET_MS),
      readyFigure('data directory exists', again, AGAIN_TARGET_MS),
      readyFigure('data directory exists, after kill -9', killed, AGAIN_TARGET_MS),
    ],
  };
}

async function readyThen(
  workspace: Workspace,
  dataDirectory: string,
  leave: (server: RunningServer) => Promise<void>,
): Promise<number> {
  const server = await workspace.startTandem(dataDirectory);
  try {
    await leave(server);
  } finally {
    await server.stop();
  }
  return server.readyMs;
}

/** The slowest run decides: who waits for a restart waits for that one, too. */
function readyFigure(name: string, runsMs: readonly number[], targetMs: number): Figure {
  const slowest = Math.max(...runsMs);
  const value =
    runsMs.length === 1
      ? milliseconds(slowest)
      : `${milliseconds(slowest)} slowest, ${milliseconds(median(runsMs))} median of ${runsMs.length}`;
  return { name, value, target: { text: `${targetMs / 1000} s or less`, isReached: slowest <= targetMs } };
}
