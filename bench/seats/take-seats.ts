import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { seatedSchema, type Seated, type SeatPlan } from './seat-plan.ts';

const SCRIPT = fileURLToPath(new URL('./seat-process.ts', import.meta.url));

/** Seats that are taken by a process of their own, until `end`. */
export interface TakenSeats extends Seated {
  end(): Promise<void>;
}

/** Resolves when all are taken. */
export async function takeSeats(plan: SeatPlan, signal: AbortSignal): Promise<TakenSeats> {
  const child = fork(SCRIPT, [JSON.stringify(plan)], { signal });
  const exited = once(child, 'exit');
  const failed = exited.then(() => {
    throw new Error('the process that takes seats ended before its time; see its message above');
  });
  const [message] = await Promise.race([once(child, 'message') as Promise<[unknown]>, failed]);
  // From now on it may end.
  failed.catch(() => undefined);
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await exited;
  };
  return { ...seatedSchema.parse(message), end };
}
