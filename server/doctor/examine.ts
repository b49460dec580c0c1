import type { Config } from '../config.ts';
import { bounded, CHECK_MS } from './bounded.ts';
import { checkEnvFile, checkForProduction, checkPlausibility } from './configuration-check.ts';
import { checkEmbedded } from './embedded-check.ts';
import type { Finding } from './finding.ts';
import { checkCollector, checkKeySet } from './http-check.ts';
import { checkMail } from './mail-check.ts';
import { checkPort } from './port-check.ts';
import { checkPostgres } from './postgres-check.ts';
import { createMask } from './secrets.ts';
import { checkDirectories } from './storage-check.ts';

/** Parts of these have deadlines of their own, one after the other. */
const STORE_MS = 3 * CHECK_MS;

export interface Surroundings {
  readonly config: Config;
  /** What the configuration module said beside it. */
  readonly warnings: readonly string[];
  /** Faults that the same environment has with `NODE_ENV=production`. */
  readonly productionFaults: readonly string[];
  readonly envFile: string;
}

/** All checks, at the same time, in the order in which they are shown. Nothing is written anywhere. Never rejects. */
export async function examine(surroundings: Surroundings): Promise<readonly Finding[]> {
  const { config, warnings, productionFaults, envFile } = surroundings;
  const { database, redis, auth, mail, tracing } = config;
  let tellIdentity: (identity: string | null) => void = () => undefined;
  const identity = new Promise<string | null>((resolve) => (tellIdentity = resolve));
  if (database.kind !== 'external') tellIdentity(null);
  const checks: Promise<readonly Finding[]>[] = [
    bounded('configuration', () => Promise.resolve(judgeConfiguration(warnings))),
    bounded('.env', () => checkEnvFile(envFile)),
    bounded('plausibility', () =>
      Promise.resolve([...checkPlausibility(config), ...checkForProduction(config.nodeEnv, productionFaults)]),
    ),
    bounded('port', () => checkPort(config)),
    bounded('directories', () => checkDirectories(config)),
  ];
  if (database.kind === 'embedded') checks.push(bounded('embedded database', () => checkEmbedded(config.dataDir)));
  if (database.kind === 'external') {
    checks.push(bounded('postgres', () => checkPostgres(config, database, tellIdentity), STORE_MS));
  }
  if (database.kind === 'supabase') {
    checks.push(
      bounded('supabase', async () => {
        // Its library has something to say as soon as it is loaded, which concerns nobody else.
        const { checkSupabase } = await import('./supabase-check.ts');
        return checkSupabase(database);
      }),
    );
  }
  if (redis !== null) {
    checks.push(
      bounded(
        'redis',
        async () => {
          const { checkRedis } = await import('./redis-check.ts');
          return checkRedis(config, redis, identity);
        },
        STORE_MS,
      ),
    );
  }
  if (mail.url !== null) checks.push(bounded('mail', () => checkMail(mail)));
  const { jwksUrl, supabaseUrl } = auth;
  if (jwksUrl !== null) checks.push(bounded('issuer', () => checkKeySet('issuer', jwksUrl)));
  if (supabaseUrl !== null) {
    const url = `${supabaseUrl}/auth/v1/.well-known/jwks.json`;
    checks.push(bounded('supabase users', () => checkKeySet('supabase users', url)));
  }
  if (tracing !== null) checks.push(bounded('traces', () => checkCollector(tracing.endpoint)));
  const mask = createMask(config);
  return (await Promise.all(checks)).flat().map((finding) => ({
    ...finding,
    found: mask(finding.found),
    advice: finding.advice === null ? null : mask(finding.advice),
  }));
}

function judgeConfiguration(warnings: readonly string[]): readonly Finding[] {
  const check = 'configuration';
  if (warnings.length === 0) return [{ check, verdict: 'ok', found: 'every variable is understood', advice: null }];
  return warnings.map((found): Finding => ({
    check,
    verdict: 'warning',
    found,
    advice: 'Change .env or the environment.',
  }));
}
