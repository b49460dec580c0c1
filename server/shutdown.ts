import type { Logger } from './observability/logger.ts';

/** One step of an orderly stop. */
export interface Phase {
  readonly name: string;
  readonly deadlineMs: number;
  readonly run: () => Promise<void> | void;
}

/** Runs all phases in turn, each within its deadline: one that fails or hangs must not keep the others from running. */
export async function runPhases(phases: readonly Phase[], logger: Logger): Promise<void> {
  for (const phase of phases) {
    const startedAt = performance.now();
    const fields = () => ({ phase: phase.name, durationMs: performance.now() - startedAt });
    try {
      await withDeadline(phase);
      logger.debug('drain_phase', fields());
    } catch (error) {
      logger.error('internal_error', { ...fields(), error });
    }
  }
}

async function withDeadline({ name, deadlineMs, run }: Phase): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    const message = `the phase "${name}" of the stop did not end within ${deadlineMs} ms and was left behind`;
    timer = setTimeout(() => reject(new Error(message)), deadlineMs);
  });
  try {
    await Promise.race([Promise.resolve(run()), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
