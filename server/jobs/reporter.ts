import { REPORT_EVERY_MS, type InstanceReport } from '../../protocol/console.ts';
import type { InstanceReports } from '../sessions/ports.ts';
import type { Job } from './loop.ts';

export interface ReporterOptions {
  readonly make: () => InstanceReport;
  readonly reports: InstanceReports;
  readonly onError: (error: unknown) => void;
}

export interface Reporter extends Job {
  /** What the instance told of itself last. */
  latest(): InstanceReport;
}

/**
 * Tells the deployment every two seconds how this instance is. A store that does not answer delays no report: what this
 * instance tells its own consoles says so, as soon as it is known.
 */
export function createReporter({ make, reports, onError }: ReporterOptions): Reporter {
  let last: InstanceReport | null = null;
  let putting: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const report = () => {
    last = make();
    putting ??= reports
      .put(last)
      .catch(onError)
      .finally(() => (putting = null));
  };
  return {
    latest: () => (last ??= make()),
    start: () => {
      if (timer !== null) return;
      timer = setInterval(report, REPORT_EVERY_MS);
      timer.unref();
      report();
    },
    stop: async () => {
      if (timer === null) return;
      clearInterval(timer);
      timer = null;
      await putting;
      // Nobody is to miss an instance that ended in order.
      await reports.remove(make().instanceId).catch(onError);
    },
  };
}
