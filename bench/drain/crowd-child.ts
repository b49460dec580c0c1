import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  crowdReportSchema,
  type CrowdOrder,
  type CrowdPlan,
  type CrowdReport,
  type CrowdResult,
} from './crowd-plan.ts';

const SCRIPT = fileURLToPath(new URL('./crowd-process.ts', import.meta.url));

/** A crowd in a process of its own. It inherits the loader for TypeScript. */
export class CrowdChild {
  readonly pid: number;
  /** All pairs are made; rejects, as the others, when the process ends before. */
  readonly paired: Promise<unknown>;
  /** All have been away and are back. */
  readonly back: Promise<unknown>;
  readonly #result: Promise<CrowdResult>;
  readonly #child: ChildProcess;

  constructor(plan: CrowdPlan, signal: AbortSignal) {
    const child = fork(SCRIPT, [JSON.stringify(plan)], { signal });
    this.#child = child;
    this.pid = child.pid ?? 0;
    const ended = once(child, 'exit').then(() => {
      throw new Error('a crowd ended before its time; see its message above');
    });
    const waiting: ((report: CrowdReport) => void)[] = [];
    child.on('message', (message) => {
      const report = crowdReportSchema.parse(message);
      for (const take of waiting) take(report);
    });
    const reported = <K extends CrowdReport['kind']>(kind: K): Promise<Extract<CrowdReport, { kind: K }>> => {
      const isIt = (report: CrowdReport): report is Extract<CrowdReport, { kind: K }> => report.kind === kind;
      const come = new Promise<Extract<CrowdReport, { kind: K }>>((resolve) => {
        waiting.push((report) => {
          if (isIt(report)) resolve(report);
        });
      });
      return Promise.race([come, ended]);
    };
    this.paired = reported('paired');
    this.back = reported('back');
    this.#result = reported('result').then(({ result }) => result);
    // Who awaits them sees the failure; until somebody does, it must not count as unhandled.
    for (const promise of [this.paired, this.back, this.#result]) promise.catch(() => undefined);
  }

  /** Where those who lose their connection come back to from now on. */
  comeBackTo(address: string): void {
    this.#order({ kind: 'home', address });
  }

  /** Lets it stop talking, count, and end. */
  async finish(): Promise<CrowdResult> {
    this.#order({ kind: 'finish' });
    return this.#result;
  }

  /** Ends it as it stands; nothing when it has ended. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #order(order: CrowdOrder): void {
    if (this.#child.connected) this.#child.send(order);
  }
}
