import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { loadConfig } from '../../server/config.ts';
import { variableOf } from '../../server/config/variables.ts';

export const root = path.resolve(import.meta.dirname, '../..');
export const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
export const secret = (): string => randomBytes(32).toString('hex');
/** For the schemas of others, which say more than it knows. */
export const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true });

/** The whole number of seconds of `45s`. */
export function secondsOf(text: string | undefined): number {
  const [, digits] = /^(\d+)s$/.exec(text ?? '') ?? [];
  if (digits === undefined) throw new Error(`expected seconds such as 45s, got ${String(text)}`);
  return Number(digits);
}

/** Whether a server reads it, itself or from a file that it names. */
export function isKnown(name: string): boolean {
  return variableOf(name) !== undefined || variableOf(name.replace(/_FILE$/, ''))?.secret === true;
}

/** What starts with this environment says before it starts; without a word when all is well. */
export function faultsOf(environment: Record<string, string>): readonly string[] {
  const loaded = loadConfig(environment);
  return loaded.ok ? loaded.warnings : loaded.faults;
}
