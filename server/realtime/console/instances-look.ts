import { setTimeout as delay } from 'node:timers/promises';
import { SILENT_AFTER_MS, type ConsoleEvents, type InstanceReport } from '../../../protocol/console.ts';
import { REPORT_LIFE_MS, type InstanceReports } from '../../sessions/ports.ts';
import { iso } from '../../sessions/iso.ts';

/** A store that takes longer is shown as it is, by this instance alone: its answer counts for the next look. */
const ANSWER_MS = 500;

export interface InstancesLookOptions {
  /** What this instance tells of itself now. */
  readonly own: () => InstanceReport;
  readonly reports: Pick<InstanceReports, 'all'>;
  /** Unix milliseconds of the deployment. */
  readonly now: () => number;
}

/** All instances as this one sees them: those that have not reported for too long are silent. */
export class InstancesLook {
  readonly #options: InstancesLookOptions;
  /** Of the last look that was answered. */
  #known: readonly InstanceReport[] = [];
  #asking: Promise<void> | null = null;

  constructor(options: InstancesLookOptions) {
    this.#options = options;
  }

  /** Resolves within half a second, whatever does not answer; never rejects. */
  async look(): Promise<ConsoleEvents['console:instances']> {
    this.#asking ??= this.#ask();
    await Promise.race([this.#asking, delay(ANSWER_MS, undefined, { ref: false })]);
    const own = this.#options.own();
    const now = this.#options.now();
    const others = this.#known.flatMap((report) => {
      const age = now - Date.parse(report.reportedAt);
      if (report.instanceId === own.instanceId || age >= REPORT_LIFE_MS) return [];
      return [age > SILENT_AFTER_MS ? { ...report, state: 'silent' as const } : report];
    });
    const instances = [own, ...others].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
    return { at: iso(now), instances };
  }

  async #ask(): Promise<void> {
    try {
      this.#known = await this.#options.reports.all();
    } catch {
      // What was known grows old, and is shown as silent; the report of this instance says that the store is away.
    } finally {
      this.#asking = null;
    }
  }
}

/** The same from look to look. */
function orderOf({ startedAt, instanceId }: InstanceReport): string {
  return `${startedAt} ${instanceId}`;
}
