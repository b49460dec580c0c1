import { stat } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { isErrno } from '../durable/errno.ts';
import { ok, warning, type Finding } from './finding.ts';

const FRESH = 'openssl rand -base64 32';

/** What the server would accept, and an operator would regret. */
export function checkPlausibility(config: Config): readonly Finding[] {
  const doubts = [...secretDoubts(config), ...edgeDoubts(config), ...instanceDoubts(config)];
  const isProduction = config.nodeEnv === 'production';
  return doubts.length > 0
    ? doubts
    : [ok('plausibility', isProduction ? 'nothing doubtful for production' : `NODE_ENV is ${config.nodeEnv}`)];
}

/** Faults that the same environment would have in production. They never hold a secret. */
export function checkForProduction(nodeEnv: Config['nodeEnv'], faults: readonly string[]): readonly Finding[] {
  if (nodeEnv === 'production') return [];
  return faults.map((fault) =>
    warning('production', `as NODE_ENV=production this would not start: ${fault}`, 'Mend it before you go live.'),
  );
}

/** `file` holds secrets, when it is there. */
export async function checkEnvFile(file: string): Promise<readonly Finding[]> {
  try {
    const { mode } = await stat(file);
    // Windows has no such bits.
    if (process.platform === 'win32' || (mode & 0o077) === 0) return [];
    return [warning('.env', `${file} holds secrets, and other users of this machine may read it`, `chmod 600 ${file}`)];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function secretDoubts({ nodeEnv, auth, adminToken, metricsToken, webhookSecret }: Config): readonly Finding[] {
  const doubts: Finding[] = [];
  const named = [
    ...auth.jwtSecrets.map((secret): [string, string | null] => ['JWT_SECRET', secret]),
    ['ADMIN_TOKEN', adminToken],
    ['METRICS_TOKEN', metricsToken],
    ['WEBHOOK_SECRET', webhookSecret],
  ] as const;
  for (const [index, [name, secret]] of named.entries()) {
    const twin = named.slice(index + 1).find(([, other]) => secret !== null && other === secret);
    if (twin === undefined) continue;
    doubts.push(
      warning('secrets', `${name} and ${twin[0]} are the same: who knows one knows both`, `Make another: ${FRESH}`),
    );
  }
  if (nodeEnv !== 'production') return doubts;
  if (adminToken === null) {
    doubts.push(warning('secrets', 'without ADMIN_TOKEN nobody reads /health/detailed', `Set one: ${FRESH}`));
  }
  if (metricsToken === null) {
    const found = 'without METRICS_TOKEN everybody who reaches the server reads /metrics';
    doubts.push(warning('secrets', found, `Set one (${FRESH}), or let the proxy in front keep /metrics to itself.`));
  }
  return doubts;
}

function edgeDoubts({ nodeEnv, publicUrl, trustProxy, corsOrigins }: Config): readonly Finding[] {
  if (nodeEnv !== 'production') return [];
  const doubts: Finding[] = [];
  if (publicUrl === null) {
    const found = 'PUBLIC_URL is not set: the own origin is derived from each request, and links of mails lead nowhere';
    doubts.push(warning('PUBLIC_URL', found, 'Set it to the address that browsers use.'));
  } else if (publicUrl.startsWith('http:')) {
    const found = `PUBLIC_URL is ${publicUrl}: everybody on the way can read along`;
    doubts.push(warning('PUBLIC_URL', found, 'Put a proxy with TLS in front, and name it by https://.'));
  } else if (trustProxy.kind === 'hops' && trustProxy.hops === 0) {
    const found = 'TRUST_PROXY is 0 and PUBLIC_URL is https: the proxy that ends TLS is every client’s address';
    doubts.push(
      warning(
        'TRUST_PROXY',
        found,
        'Set it to the number of proxies in front, or to their addresses; else all share one limit.',
      ),
    );
  }
  const open = corsOrigins === '*' ? [] : corsOrigins.filter((origin) => origin.startsWith('http:'));
  if (open.length > 0) {
    const found = `CORS_ORIGINS holds ${open.join(', ')}: a page that anybody on the way can change may connect`;
    doubts.push(warning('CORS_ORIGINS', found, 'Take the https:// of these origins, or remove them.'));
  }
  return doubts;
}

function instanceDoubts({ nodeEnv, redis, database }: Config): readonly Finding[] {
  if (redis !== null && database.kind === 'embedded') {
    const found = 'Redis is configured beside the embedded database, which belongs to one process';
    return [warning('instances', found, 'Set DATABASE_URL for several instances, or remove REDIS_* for one.')];
  }
  if (redis === null && database.kind !== 'embedded' && nodeEnv === 'production') {
    const found = 'without Redis this server keeps its sessions to itself: a second instance would not know of them';
    return [warning('instances', found, 'Run one instance alone on this database, or set REDIS_URL for all of them.')];
  }
  return [];
}
