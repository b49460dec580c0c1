//@ts-check
import { TandemError } from './tandem.js';

/**
 * Why a call could not be started or joined. The library has one class for all that can go wrong, with a code to tell
 * the cases apart; what takes only time, it has tried again by itself.
 * @param {unknown} error
 */
export function words(error) {
  if (!(error instanceof TandemError)) return 'Something went wrong in this page.';
  switch (error.code) {
    case 'INVALID_PAYLOAD':
      return 'This is no code: codes are made of digits and consonants, such as BCD-234.';
    case 'SESSION_NOT_FOUND':
      return 'There is no call with this code. Codes are good for 15 minutes.';
    case 'SESSION_FULL':
      return 'Two people are in this call already.';
    case 'SESSION_CLOSED':
      return 'This call is over.';
    case 'RATE_LIMITED':
      return `That was tried too often. Try again in ${Math.ceil((error.retryAfterMs ?? 0) / 1000)} seconds.`;
    default:
      return error.message;
  }
}
