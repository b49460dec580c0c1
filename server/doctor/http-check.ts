import { failed, ok, warning, type Finding } from './finding.ts';
import { reasonsOf } from './bounded.ts';

const REQUEST_MS = 4000;

/** The keys of a foreign issuer of access tokens. */
export async function checkKeySet(check: string, url: string): Promise<readonly Finding[]> {
  let answer: Response;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS) });
  } catch (error) {
    const advice = 'Correct the address, or let this machine reach it: tokens of that issuer are refused meanwhile.';
    return [failed(check, `${url} cannot be reached (${reasonsOf(error)})`, advice)];
  }
  const body: unknown = await answer.json().catch(() => null);
  const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : null;
  if (!answer.ok || !Array.isArray(keys)) {
    return [failed(check, `${url} answers HTTP ${answer.status} without a key set`, 'Correct the address.')];
  }
  if (keys.length > 0) return [ok(check, `${url} publishes ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`)];
  const found = `${url} publishes no key: no token of that issuer can be checked`;
  return [warning(check, found, 'Let the issuer sign with an asymmetric key (RS256, ES256).')];
}

/** The collector of traces. Any answer will do, because nothing is handed over. */
export async function checkCollector(url: string): Promise<readonly Finding[]> {
  const check = 'traces';
  try {
    const answer = await fetch(url, { method: 'GET', signal: AbortSignal.timeout(REQUEST_MS) });
    await answer.body?.cancel();
    return [ok(check, `the collector at ${new URL(url).host} answers`)];
  } catch (error) {
    const found = `the collector at ${new URL(url).host} cannot be reached (${reasonsOf(error)}): traces are lost, nothing else`;
    return [warning(check, found, 'Start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT.')];
  }
}
