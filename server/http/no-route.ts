import type { Request } from 'express';

const MOST_SHOWN = 100;

/**
 * What the caller of an unknown route is told: its own words, without the query, where secrets stand, in one short line
 * of characters that mean nothing to a page or a terminal.
 */
export function noRoute({ method, path }: Request): string {
  const plain = path.replace(/[^\w\-.~!$'()*+,;=:@%/]/g, '?');
  return `There is no route ${method} ${plain.length > MOST_SHOWN ? `${plain.slice(0, MOST_SHOWN)}…` : plain}.`;
}
