import { createServer } from 'node:net';
import type { Config } from '../config.ts';
import { startFault } from '../start-fault.ts';
import { reasonsOf } from './bounded.ts';
import { failed, failedAs, ok, type Finding } from './finding.ts';

const PROBE_MS = 2000;

/** Whether the server could listen, or does so already. */
export async function checkPort(config: Config): Promise<readonly Finding[]> {
  const { host, port } = config;
  if (port === 0) return [ok('port', `PORT is 0: a free port of ${host} is taken at each start`)];
  const error = await tryListening(host, port);
  if (error === null) return [ok('port', `${port} on ${host} is free`)];
  const code = 'code' in error ? String(error.code) : '';
  if (code !== 'EADDRINUSE') return [failedAs('port', startFault(error, config) ?? reasonsOf(error))];
  const version = await tandemAt(host, port);
  if (version !== null) return [ok('port', `a running Tandem ${version} listens on ${port}, and is alive`)];
  const found = `${port} on ${host} is in use by another program, or by a Tandem that does not answer /health/live`;
  return [failed('port', found, `End that program (\`lsof -i :${port}\` names it), or choose another PORT.`)];
}

function tryListening(host: string, port: number): Promise<Error | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** The version of the Tandem that answers there; null when none does. */
async function tandemAt(host: string, port: number): Promise<string | null> {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  try {
    const answer = await fetch(`http://${near.includes(':') ? `[${near}]` : near}:${port}/health/live`, {
      signal: AbortSignal.timeout(PROBE_MS),
    });
    const body = (await answer.json()) as { readonly status?: unknown; readonly version?: unknown } | null; // looked at field by field
    if (body?.status !== 'alive' || typeof body.version !== 'string') return null;
    return body.version;
  } catch {
    // Not HTTP, not JSON, or no answer: no Tandem.
    return null;
  }
}
