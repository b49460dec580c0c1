import type { Config } from '../config.ts';
import { secretValues } from '../config/secret-values.ts';
import { createSecretMask } from '../observability/secret-mask.ts';

/** Shorter than in a log, where a word of four letters may be one of ours: no check shows such a secret. */
const SHORTEST = 4;

/**
 * Replaces every secret of the configuration by `***`, wherever it stands in a text. No check means to show one; what a
 * library or a server says of a failure is not ours to know.
 */
export function createMask(config: Config): (text: string) => string {
  const mask = createSecretMask(secretValues(config), SHORTEST);
  return (text) => mask(text);
}
