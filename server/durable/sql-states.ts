/** What the SQLSTATE of an error says about the statement that met it. */

/** Raised by commit_batch itself. */
export const DIVERGENCE = 'TD001';

/**
 * The connection or the server went away, has a fault of its own, or cancelled the statement: it is no verdict on what was
 * to be stored, and whether it was is unknown.
 */
export function isUnknownOutcome(code: string): boolean {
  return /^(08|57P|57014|58|XX)/.test(code);
}

/** The statement was not run, or rolled back, for want of something that may be there again: room, or its turn. */
export function isTemporary(code: string): boolean {
  return /^(53|40|55P03)/.test(code);
}
