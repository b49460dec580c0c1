import { DivergenceError, RefusedCommitError } from '../sessions/ports.ts';

/**
 * Classes of SQLSTATE that say nothing about what was to be stored: no room, read-only, no right, no such function, a
 * deadlock. All sessions meet them alike, and they pass, or are put right by somebody.
 */
const OF_THE_DATABASE = /\((?:0A|25|28|3D|3F|40|42|53)\w{3}(?:, constraint .*)?\)$/;

/** The store has looked at what it was given, and does not take it: it would say the same again. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof DivergenceError) return true;
  // The stores put the code of the database at the end of what they say.
  return error instanceof RefusedCommitError && !OF_THE_DATABASE.test(error.message) && !isLocked(error);
}

/** Somebody else holds the row: it is no fault of the session, and no other session meets it. */
export function isLocked(error: unknown): error is RefusedCommitError {
  return error instanceof RefusedCommitError && error.message.endsWith('(55P03)');
}

/** Of two refusals the same when nothing changed: without the numbers and ids, which grow with each message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/g, '#')}`;
}
