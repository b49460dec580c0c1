import { join } from 'node:path';
import { Closers } from '../closers.ts';
import { startCollector } from '../observability/collector.ts';
import { scrapeEachSecond } from '../observability/scraper.ts';
import { silenceMetrics } from '../observability/silent-build.ts';
import { median, milliseconds, spreadText, type Figure } from '../figures.ts';
import type { LoadResult } from '../engine/plan.ts';
import type { Options } from '../options.ts';
import type { Report } from '../report.ts';
import type { RunningServer } from '../server-process.ts';
import { startInstance, startStores } from '../stores.ts';
import type { Workspace } from '../workspace.ts';
import { adjusted, measure, titleOf, type LoadShape } from './load.ts';

const TALK: LoadShape = { name: 'observability', loop: { kind: 'open', ratePerSecond: 1000 }, pairs: 50 };
/** Two processes of one build differ by some percent for as long as they live: so there are several of each. */
const LIVES = 2;
/** In turn, so that a change of the machine's mood meets all. The first warms them up. */
const ROUNDS = 3;
/** Of `--duration`: the figure is a ratio of rounds side by side, and many short ones tell it better than few long ones. */
const SHARE_OF_DURATION = 0.25;
/** Processes live through all rounds, so only the first of them needs much of it. */
const WARMUP_MS = 500;
const TARGET_PERCENT = 5;
const TRACED_SHARE = '0.01';

/** A server that is watched in one way, as long as it lives. */
interface Watched {
  readonly server: RunningServer;
  readonly startWatching: () => () => Promise<void>;
}

interface Variant {
  readonly name: string;
  /** True unless given. */
  readonly isJudged?: boolean;
  readonly start: (closers: Closers) => Promise<Watched>;
}

/** CPU per message of a server that is observed, against one that is not, under the same load, in the same run. */
export async function runObservabilityScenario(options: Options, workspace: Workspace): Promise<Report> {
  const shape = adjusted(TALK, options);
  const windowMs = options.durationMs * SHARE_OF_DURATION;
  const silent = await silenceMetrics(options.serverScript, workspace.newDataDirectory());
  const variants = variantsOf(options.serverScript, silent, workspace);
  const results = new Map<string, LoadResult[]>(variants.map(({ name }) => [name, []]));
  for (let life = 0; life < LIVES; life += 1) {
    const closers = new Closers();
    try {
      const watched = new Map<string, Watched>();
      for (const { name, start } of variants) watched.set(name, await start(closers));
      for (let round = -1; round < ROUNDS; round += 1) {
        // Each goes first as often as last.
        const order = round % 2 === 0 ? variants : variants.toReversed();
        for (const { name } of order) {
          const { server, startWatching } = watched.get(name) ?? missing(name);
          const stopWatching = startWatching();
          try {
            const result = await measure(shape, server, windowMs, workspace.signal, WARMUP_MS);
            if (round >= 0) results.get(name)?.push(result);
          } finally {
            await stopWatching();
          }
        }
      }
    } finally {
      await closers.closeAll();
    }
  }
  const isTarget = JSON.stringify(shape) === JSON.stringify(TALK);
  return {
    title: `${titleOf(shape, windowMs)} for each of ${LIVES * ROUNDS} rounds in turn, ${LIVES} processes of each`,
    figures: figuresOf(variants, results, isTarget),
  };
}

function variantsOf(script: string, silent: string, workspace: Workspace): Variant[] {
  const overStores = async (closers: Closers, main: string, own: Record<string, string>): Promise<RunningServer> => {
    const server = await startInstance(main, workspace, await startStores(closers), own);
    closers.add(() => server.stop());
    return server;
  };
  const startOff = async (closers: Closers): Promise<Watched> => ({
    server: await overStores(closers, silent, { LOG_LEVEL: 'error' }),
    startWatching: () => () => Promise.resolve(),
  });
  const files = () => ({ LOG_LEVEL: 'info', LOG_DIR: join(workspace.newDataDirectory(), 'logs') });
  return [
    { name: 'off', start: startOff },
    // Nothing but chance makes it differ from the first: so much is the figure of any other worth.
    { name: 'off again', isJudged: false, start: startOff },
    {
      name: `logs, metrics, traces of ${TRACED_SHARE}`,
      start: async (closers) => {
        const collector = await startCollector();
        closers.add(() => collector.stop());
        const server = await overStores(closers, script, {
          ...files(),
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_TRACES_SAMPLER_ARG: TRACED_SHARE,
        });
        return { server, startWatching: () => scrapeEachSecond(server.address) };
      },
    },
  ];
}

function figuresOf(
  variants: readonly Variant[],
  results: ReadonlyMap<string, readonly LoadResult[]>,
  isTarget: boolean,
): Figure[] {
  const [off] = variants;
  if (off === undefined) throw new Error('the first variant is what the others are compared with');
  const base = results.get(off.name) ?? [];
  return variants.flatMap((variant) => {
    const rounds = results.get(variant.name) ?? [];
    const figures: Figure[] = [
      { name: variant.name, value: spreadText(rounds.map(microsOf), 'us') + ' CPU per message' },
      { name: '  send to receive, p99 of each round', value: rounds.map(p99Text).join('; ') },
      { name: '  faults', value: String(rounds.reduce((sum, round) => sum + faultsOf(round), 0)) },
    ];
    if (variant === off) return figures;
    const percents = rounds.map((round, index) => (microsOf(round) / microsOf(base[index]) - 1) * 100);
    const middle = median(percents);
    figures.push({
      name: '  more than off, of rounds side by side',
      value: spreadText(percents, '%'),
      ...(isTarget &&
        variant.isJudged !== false && {
          target: { text: `below ${TARGET_PERCENT} %`, isReached: middle < TARGET_PERCENT },
        }),
    });
    return figures;
  });
}

/** NaN without a measurement, which no target is reached by. */
function microsOf(round: LoadResult | undefined): number {
  return round?.server.cpuMicrosPerMessage ?? NaN;
}

function p99Text({ latencyMs }: LoadResult): string {
  return latencyMs.delivery === null ? 'none' : milliseconds(latencyMs.delivery.p99);
}

function faultsOf({ counts: { lost, doubled, reordered, phantom, unanswered, refused } }: LoadResult): number {
  return lost + doubled + reordered + phantom + unanswered + refused;
}

function missing(name: string): never {
  throw new Error(`the variant ${name} was started`);
}
