import { REPORT_EVERY_MS, SILENT_AFTER_MS } from '../../protocol/console.ts';
import type { InstanceReport } from '../../protocol/console.ts';

/** What one instance did around one moment. */
export interface Figures {
  readonly connections: number;
  readonly sessions: number;
  /** Null until there are two reports to compare. */
  readonly messagesPerSecond: number | null;
  readonly limitedPerSecond: Readonly<Record<string, number>> | null;
  readonly deliveryMs: { readonly p50: number; readonly p99: number } | null;
}

export interface Point {
  readonly atMs: number;
  /** Of the instances that were alive. */
  readonly figures: ReadonlyMap<string, Figures>;
}

export const WINDOW_MS = 600_000;
/** More than a window holds, whatever the server sends. */
const MOST_POINTS = (2 * WINDOW_MS) / REPORT_EVERY_MS;
const MOST_INSTANCES = 200;

type Rates = Pick<Figures, 'messagesPerSecond' | 'limitedPerSecond'>;

/**
 * The last ten minutes of all instances, made of their counters. An instance that is silent has no figures: its last ones
 * are not those of now.
 */
export class History {
  #points: Point[] = [];
  #last = new Map<string, { report: InstanceReport; rates: Rates }>();

  get points(): readonly Point[] {
    return this.#points;
  }

  get latest(): Point | null {
    return this.#points.at(-1) ?? null;
  }

  add(at: string, instances: readonly InstanceReport[]): void {
    const atMs = Date.parse(at);
    const before = this.latest?.atMs ?? -Infinity;
    // Another instance may be the one that tells now, and tell what is known already.
    if (!(atMs > before)) return;
    // A line over the time in which nothing was known would claim something.
    if (atMs - before > SILENT_AFTER_MS && this.#points.length > 0) {
      this.#points.push({ atMs: before + 1, figures: new Map() });
    }
    const figures = new Map<string, Figures>();
    const known = new Map<string, { report: InstanceReport; rates: Rates }>();
    const alive = instances.filter((report) => !isSilent(report, at));
    for (const report of alive.slice(0, MOST_INSTANCES)) {
      const rates = ratesOf(report, this.#last.get(report.instanceId));
      known.set(report.instanceId, { report, rates });
      const { connections, sessions, deliveryMs } = report;
      figures.set(report.instanceId, {
        connections,
        sessions: sessions.waiting + sessions.paired,
        deliveryMs,
        ...rates,
      });
    }
    this.#last = known;
    this.#points.push({ atMs, figures });
    const first = this.#points.findIndex((point) => point.atMs >= atMs - WINDOW_MS);
    this.#points = this.#points.slice(Math.max(first, this.#points.length - MOST_POINTS));
  }
}

/** The server says it; a page that shows an old list says it by itself. */
export function isSilent(report: InstanceReport, at: string): boolean {
  return report.state === 'silent' || Date.parse(at) - Date.parse(report.reportedAt) > SILENT_AFTER_MS;
}

function ratesOf(report: InstanceReport, last: { report: InstanceReport; rates: Rates } | undefined): Rates {
  if (last === undefined) return { messagesPerSecond: null, limitedPerSecond: null };
  // The same report once more: nothing has been counted since, because nothing has been told.
  if (last.report.reportedAt === report.reportedAt) return last.rates;
  const isRestarted = last.report.startedAt !== report.startedAt || report.messagesTotal < last.report.messagesTotal;
  const since = Date.parse(isRestarted ? report.startedAt : last.report.reportedAt);
  const seconds = (Date.parse(report.reportedAt) - since) / 1000;
  if (!(seconds > 0)) return last.rates;
  const limitedBefore = isRestarted ? {} : last.report.limitedTotal;
  const rate = (now: number, before: number): number => Math.max(0, now - before) / seconds;
  return {
    messagesPerSecond: rate(report.messagesTotal, isRestarted ? 0 : last.report.messagesTotal),
    limitedPerSecond: Object.fromEntries(
      Object.entries(report.limitedTotal).map(([name, total]) => [name, rate(total, limitedBefore[name] ?? 0)]),
    ),
  };
}
