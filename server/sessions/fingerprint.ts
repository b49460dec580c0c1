import { hash } from 'node:crypto';

/** Tells the content of one send from another's: equal for equal type and equal JSON text of the body. */
export function fingerprintOf(type: string, bodyJson: string): string {
  // A type has no line break, so the pair can't be read in two ways.
  return hash('sha256', `${type}\n${bodyJson}`, 'base64');
}
