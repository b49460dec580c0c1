import type { InstanceReport } from '../../protocol/console.ts';

/** A report is kept so long after it was put, and of so many instances: the last that reported. */
export const REPORT_LIFE_MS = 10 * 60_000;
export const MOST_REPORTS = 200;

/**
 * What the instances of the deployment tell of themselves: the last report of each, for ten minutes. Every method rejects
 * within its deadline when it cannot be asked.
 */
export interface InstanceReports {
  /** In the place of the one before of the same instance. */
  put(report: InstanceReport): Promise<void>;
  /** Those that are younger than ten minutes, in no order; what another version wrote and cannot be read is left out. */
  all(): Promise<InstanceReport[]>;
  /** The instance has ended in order: nobody is to miss it. */
  remove(instanceId: string): Promise<void>;
}
