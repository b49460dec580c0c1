import type { Logger } from './observability/logger.ts';

/** One step of an orderly stop. */
export interface Phase {
  readonly name: string;
  /** How long it may take while the budget allows. */
  readonly atMostMs: number;
  /** What it gets in any case: the phases before it leave so much of the budget. */
  readonly atLeastMs: number;
  readonly run: () => Promise<void> | void;
}

/**
 * Runs all phases in turn, each within its deadline: one that fails or hangs must not keep the others from running.
 * Together they take `budgetMs` at most, or what all have in any case when that is more.
 */
export async function runPhases(
  phases: readonly Phase[],
  { budgetMs, logger }: { budgetMs: number; logger: Logger },
): Promise<void> {
  const endsAt = performance.now() + budgetMs;
  for (const [index, phase] of phases.entries()) {
    const startedAt = performance.now();
    const keptMs = phases.slice(index + 1).reduce((sum, { atLeastMs }) => sum + atLeastMs, 0);
    const deadlineMs = Math.max(phase.atLeastMs, Math.min(phase.atMostMs, endsAt - startedAt - keptMs));
    const fields = () => ({ phase: phase.name, durationMs: performance.now() - startedAt });
    try {
      await withDeadline(phase, Math.round(deadlineMs));
      logger.debug('drain_phase', fields());
    } catch (error) {
      logger.error('internal_error', { ...fields(), error });
    }
  }
}

async function withDeadline({ name, run }: Phase, deadlineMs: number): Promise<void> {
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
