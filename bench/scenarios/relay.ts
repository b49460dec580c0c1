import type { LoadResult } from '../engine/plan.ts';
import { milliseconds, rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import type { RunningServer } from '../server-process.ts';
import type { Workspace } from '../workspace.ts';
import { adjusted, FIFTY, measure, OPEN500, titleOf, type LoadShape } from './load.ts';

/** The two servers take turns, so that a change of the machine's mood meets both. */
const ROUNDS = 2;

/** CPU per message of Tandem against that of a bare relay, under the same load, in the same run. */
export async function runRelayScenario(
  options: Options,
  workspace: Workspace,
): Promise<{ title: string; figures: Figure[] }> {
  const durationMs = options.durationMs / ROUNDS;
  const figures: Figure[] = [];
  for (const shape of [OPEN500, FIFTY]) {
    const asked = adjusted(shape, options);
    const tandem: LoadResult[] = [];
    const relay: LoadResult[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      relay.push(await measureOnce(asked, await workspace.startRelay(), durationMs, workspace.signal));
      tandem.push(await measureOnce(asked, await workspace.startInitialisedTandem(), durationMs, workspace.signal));
    }
    const tandemMicros = microsPerMessage(tandem);
    const relayMicros = microsPerMessage(relay);
    figures.push(
      { name: titleOf(asked, options.durationMs), value: '' },
      { name: '  Tandem', value: describe(tandemMicros, tandem) },
      { name: '  relay', value: describe(relayMicros, relay) },
      {
        name: '  CPU per message, Tandem to relay',
        value: tandemMicros === null || relayMicros === null ? 'not measured' : rounded(tandemMicros / relayMicros),
      },
    );
  }
  return { title: `relay: against a bare Socket.IO relay that stores nothing, ${ROUNDS} rounds in turn`, figures };
}

async function measureOnce(
  shape: LoadShape,
  server: RunningServer,
  durationMs: number,
  signal: AbortSignal,
): Promise<LoadResult> {
  try {
    return await measure(shape, server, durationMs, signal);
  } finally {
    await server.stop();
  }
}

/** Over all rounds: CPU in total over messages in total. */
function microsPerMessage(rounds: readonly LoadResult[]): number | null {
  let cpuSeconds = 0;
  let messages = 0;
  for (const { server, perSecond, windowMs } of rounds) {
    if (server.cpuSeconds === null) return null;
    cpuSeconds += server.cpuSeconds;
    messages += (perSecond.acknowledged * windowMs) / 1000;
  }
  return messages === 0 ? null : (cpuSeconds * 1e6) / messages;
}

function describe(micros: number | null, rounds: readonly LoadResult[]): string {
  const rate = rounds.reduce((sum, { perSecond }) => sum + perSecond.acknowledged, 0) / rounds.length;
  const worstP99 = Math.max(...rounds.map(({ latencyMs }) => latencyMs.delivery?.p99 ?? Infinity));
  const faults = rounds.reduce((sum, { counts }) => sum + counts.lost + counts.doubled + counts.reordered, 0);
  const cpu = micros === null ? 'CPU not measured' : `${rounded(micros)} us CPU per message`;
  return `${cpu}, ${rounded(rate)} acknowledged /s, send to receive p99 ${milliseconds(worstP99)}, lost, doubled or reordered ${faults}`;
}
