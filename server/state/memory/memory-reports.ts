import type { InstanceReport } from '../../../protocol/console.ts';
import { REPORT_LIFE_MS, type InstanceReports } from '../../sessions/ports.ts';

/** Of a process that is alone: it has nobody to report to but itself. */
export class MemoryReports implements InstanceReports {
  readonly #now: () => number;
  readonly #reports = new Map<string, { report: InstanceReport; at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  put(report: InstanceReport): Promise<void> {
    this.#reports.set(report.instanceId, { report, at: this.#now() });
    return Promise.resolve();
  }

  all(): Promise<InstanceReport[]> {
    for (const [id, { at }] of this.#reports) if (at + REPORT_LIFE_MS <= this.#now()) this.#reports.delete(id);
    return Promise.resolve([...this.#reports.values()].map(({ report }) => report));
  }

  remove(instanceId: string): Promise<void> {
    this.#reports.delete(instanceId);
    return Promise.resolve();
  }
}
