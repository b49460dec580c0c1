import type { Parse, Parsed } from './parsed.ts';

/** One variable of the environment: everything that is known about it, in one place. */
export interface Variable<T> {
  /** What it is for, in one line: the comment above it in `.env.example`. */
  readonly doc: string;
  /** Its default as text; empty when there is none, and then the value is null. */
  readonly default: string;
  /** The default where it differs under `NODE_ENV=production`. */
  readonly productionDefault?: string;
  /** Its value never shows anywhere, and it can come from a file that `<NAME>_FILE` names. */
  readonly secret?: true;
  readonly requiredInProduction?: true;
  readonly parse: Parse<T>;
}

export type VariableTable = Readonly<Record<string, Variable<unknown>>>;

/** The value of each variable of a table: what its parser gives, or null where there is no default. */
export type ValuesOf<Table extends VariableTable> = {
  readonly [Name in keyof Table]: ParsedBy<Table[Name]['parse']> | (Table[Name]['default'] extends '' ? null : never);
};

type ParsedBy<P> = P extends (...args: never[]) => Parsed<infer T> ? T : never;
