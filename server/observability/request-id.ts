import { v7 as uuidv7 } from 'uuid';

const SANE_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's own id (`X-Request-Id`) when it is fit for a log and a header, else a new one. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE_ID.test(given) ? given : uuidv7();
}
