import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ArchiverPlan } from './archiver-plan.ts';

const SCRIPT = fileURLToPath(new URL('./archiver-process.ts', import.meta.url));

/** An archiver in a process of its own, connected to both stores and waiting. It inherits the loader for TypeScript. */
export class ArchiverChild {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#exited = once(child, 'exit');
    this.#exited.catch(() => undefined);
  }

  static async open(plan: ArchiverPlan): Promise<ArchiverChild> {
    const child = new ArchiverChild(fork(SCRIPT, [JSON.stringify(plan)]));
    const first = await Promise.race([once(child.#child, 'message'), child.#exited.then(() => null)]);
    if (first === null) throw new Error('the archiver ended before it was ready; see its message above');
    return child;
  }

  start(): void {
    this.#child.send('start');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Rejects when something went wrong in it meanwhile. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
    if (this.#child.exitCode !== 0) throw new Error('the archiver had a fault; see its message above');
  }
}
