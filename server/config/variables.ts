import { AUTH_VARIABLES } from './auth-variables.ts';
import { LIMIT_VARIABLES, POLICY_VARIABLES } from './limit-variables.ts';
import { LOG_VARIABLES, SERVER_VARIABLES } from './server-variables.ts';
import { DATABASE_VARIABLES, OUTWARD_VARIABLES, REDIS_VARIABLES } from './service-variables.ts';
import { SESSION_VARIABLES } from './session-variables.ts';
import type { ValuesOf, Variable, VariableTable } from './variable.ts';

/** Every variable that Tandem reads, by name: parsing, faults and `.env.example` come from this table alone. */
export const VARIABLES = {
  ...SERVER_VARIABLES,
  ...SESSION_VARIABLES,
  ...AUTH_VARIABLES,
  ...LOG_VARIABLES,
  ...POLICY_VARIABLES,
  ...LIMIT_VARIABLES,
  ...DATABASE_VARIABLES,
  ...REDIS_VARIABLES,
  ...OUTWARD_VARIABLES,
} as const satisfies VariableTable;

/** The same table in the groups of `.env.example`. */
export const VARIABLE_GROUPS: readonly { readonly title: string; readonly variables: VariableTable }[] = [
  { title: 'Server', variables: SERVER_VARIABLES },
  { title: 'Sessions and messages', variables: SESSION_VARIABLES },
  { title: 'Identity', variables: AUTH_VARIABLES },
  { title: 'Logs', variables: LOG_VARIABLES },
  { title: 'Rate limits', variables: { ...POLICY_VARIABLES, ...LIMIT_VARIABLES } },
  { title: 'Postgres and Supabase', variables: DATABASE_VARIABLES },
  { title: 'Redis', variables: REDIS_VARIABLES },
  { title: 'Mail and tracing', variables: OUTWARD_VARIABLES },
];

export type VariableName = keyof typeof VARIABLES;
export type Values = ValuesOf<typeof VARIABLES>;

export function variableNames(): readonly VariableName[] {
  return Object.keys(VARIABLES) as VariableName[]; // the keys of a constant are the names of its type
}

export function variableOf(name: string): Variable<unknown> | undefined {
  return Object.hasOwn(VARIABLES, name) ? VARIABLES[name as VariableName] : undefined; // own key: one of the names
}
