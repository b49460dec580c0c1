import { loadConfig, type LoadedConfig } from '../config.ts';
import { examine } from './examine.ts';
import { failed, type Finding } from './finding.ts';
import { checkNode } from './node-check.ts';
import { overall } from './report.ts';

const EXIT_FAILURE = 1;
/** `EX_CONFIG` of sysexits.h, as the server itself. */
const EXIT_CONFIG = 78;

export interface Patient {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path; the file may be missing. */
  readonly envFile: string;
  readonly nodeVersion: string;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  readonly exitCode: 0 | 1 | 78;
}

/** Looks at the configuration and at all that it names. Without a configuration there is nothing else to look at. */
export async function diagnose({ env, envFile, nodeVersion }: Patient): Promise<Diagnosis> {
  const node = checkNode(nodeVersion);
  const loaded = loadConfig(env, { envFile });
  if (!loaded.ok) return { findings: [node, ...faultsOf(loaded)], exitCode: EXIT_CONFIG };
  const inProduction = loadConfig({ ...env, NODE_ENV: 'production' }, { envFile });
  const examined = await examine({
    config: loaded.config,
    warnings: loaded.warnings,
    productionFaults: inProduction.ok ? [] : inProduction.faults,
    envFile,
  });
  const findings = [node, ...examined];
  return { findings, exitCode: overall(findings) === 'failed' ? EXIT_FAILURE : 0 };
}

function faultsOf({ faults }: Extract<LoadedConfig, { ok: false }>): readonly Finding[] {
  const advice = 'Change .env or the environment; the server does not start until then.';
  return faults.map((fault) => failed('configuration', fault, advice));
}
