import { failed, type Finding } from './finding.ts';

/** How long a check may take. */
export const CHECK_MS = 5000;

/**
 * The findings of a check, or one that says why there are none: it threw, or was not done in time. Never rejects, so that
 * one check that fails keeps no other from running.
 */
export async function bounded(
  check: string,
  work: () => Promise<readonly Finding[]>,
  deadlineMs = CHECK_MS,
): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    const finding = failed(
      check,
      `no result within ${deadlineMs / 1000} s`,
      'See whether a firewall swallows what is sent there, or the service stands still.',
    );
    timer = setTimeout(() => resolve([finding]), deadlineMs);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    return [failed(check, reasonsOf(error), 'See what it says; docs/operations.md has more.')];
  } finally {
    clearTimeout(timer);
  }
}

/** The messages of an error and of what caused it, on one line. */
export function reasonsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0 && error.message === '')
    return reasonsOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const own = error.message === '' ? error.name : error.message;
  return (error.cause === undefined ? own : `${own}: ${reasonsOf(error.cause)}`).replaceAll(/\s+/g, ' ');
}
