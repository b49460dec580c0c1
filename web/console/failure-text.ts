import { TandemError } from '../../protocol/errors.ts';
import { consoleErrorText } from './texts.ts';

/** Why a command had no effect; what is no `TandemError` is a fault of this page. */
export function failureText(error: unknown): string {
  return consoleErrorText(
    error instanceof TandemError ? error : new TandemError('INTERNAL', undefined, { cause: error }),
  );
}
