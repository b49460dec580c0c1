import { fault, FRESH_SECRET, valueFault } from './faults.ts';
import type { ParseContext } from './parsed.ts';
import { find, type Finding, type Source } from './sources.ts';
import type { Variable } from './variable.ts';
import { VARIABLES, variableNames, type Values, type VariableName } from './variables.ts';

export interface Reading {
  /** Without the variables that are faulty. */
  readonly values: Partial<Values>;
  /** Variables that a source sets, faulty or not. */
  readonly given: ReadonlySet<VariableName>;
  readonly faults: readonly string[];
}

/** Parses every variable of the table, with the faults of all of them. */
export function readValues(sources: readonly Source[]): Reading {
  const values: Partial<Record<VariableName, unknown>> = {};
  const given = new Set<VariableName>();
  const faults: string[] = [];
  const context = readContext(sources);
  for (const name of variableNames()) {
    const variable: Variable<unknown> = VARIABLES[name];
    const finding = find(name, variable.secret === true, sources);
    if (finding.kind !== 'unset') given.add(name);
    const outcome = readValue(name, variable, finding, context);
    if (outcome.faults.length === 0) values[name] = outcome.value;
    else faults.push(...outcome.faults);
  }
  return { values: values as Partial<Values>, given, faults }; // each value comes from its own variable's parser
}

function readValue(name: string, variable: Variable<unknown>, finding: Finding, context: ParseContext) {
  const faults: string[] = [];
  if (finding.kind === 'faulty') faults.push(finding.fault);
  const fallback = defaultOf(variable, context);
  if (finding.kind === 'given') {
    const outcome = variable.parse(finding.text, context);
    if (outcome.ok) return { value: outcome.value, faults };
    faults.push(...outcome.problems.map((problem) => valueFault(name, variable, finding, problem, fallback)));
  }
  if (finding.kind === 'unset') {
    if (variable.requiredInProduction === true && context.production) {
      const advice = `set ${name}, or ${name}_FILE, to a fresh one: ${FRESH_SECRET}`;
      faults.push(fault(name, 'nothing', 'a secret, because NODE_ENV is production', advice));
    }
    return { value: fallback === '' ? null : parseDefault(name, variable, fallback, context), faults };
  }
  return { value: null, faults };
}

function defaultOf(variable: Variable<unknown>, { production }: ParseContext): string {
  return (production ? variable.productionDefault : undefined) ?? variable.default;
}

function parseDefault(name: string, variable: Variable<unknown>, fallback: string, context: ParseContext): unknown {
  const outcome = variable.parse(fallback, context);
  if (!outcome.ok) throw new TypeError(`the default of ${name} is not valid: ${fallback}`);
  return outcome.value;
}

/** A `NODE_ENV` that is faulty counts as development: so no fault is reported that its correction takes away. */
function readContext(sources: readonly Source[]): ParseContext {
  const nodeEnv = find('NODE_ENV', false, sources);
  return { production: nodeEnv.kind === 'given' && nodeEnv.text === 'production' };
}
