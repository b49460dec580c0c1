import { expect } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';

export function expectKind<T extends { readonly kind: string }, K extends T['kind']>(
  result: T,
  kind: K,
): Extract<T, { readonly kind: K }> {
  expect(result).toMatchObject({ kind });
  // The line above has compared it.
  return result as Extract<T, { readonly kind: K }>;
}

export function decided<O>(
  result: { kind: 'decided'; outcome: O } | { kind: 'no_such_session' } | { kind: 'code_taken' },
): O {
  if (result.kind !== 'decided') throw new Error(`expected a decision, received ${result.kind}`);
  return result.outcome;
}

/** What the call rejects with; a call that resolves is a failure of the test. */
export async function failure(call: Promise<unknown>): Promise<unknown> {
  const result = await settle(call);
  if (result.status === 'fulfilled') throw new Error(`expected a rejection, received ${JSON.stringify(result.value)}`);
  return result.reason;
}

export function expectUnknownOutcome(error: unknown): void {
  expect(error).toBeInstanceOf(TandemError);
  expect(['UNAVAILABLE', 'INTERNAL']).toContain((error as TandemError).code);
}

/** Handles a rejection from the start, so that it may come long before somebody looks. */
export async function settle<T>(call: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([call]);
  return result;
}

/** A promise whose value can be looked at while it may still be pending. */
export function watch<T>(call: Promise<T>): { value: T | undefined; settled: Promise<T> } {
  const watched: { value: T | undefined; settled: Promise<T> } = { value: undefined, settled: call };
  watched.settled = call.then((value) => (watched.value = value));
  return watched;
}

/** One turn of the event loop: a barrier behind which everything that needs no store has happened. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
