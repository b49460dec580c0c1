import { url } from './addresses.ts';
import { accept, refuse, type Parse } from './parsed.ts';

const anyUrl = url('http', 'https');

/** Where a collector takes OTLP over HTTP, as the base URL that the standard has; without a slash at its end. */
export const otlpEndpoint: Parse<string> = (text, context) => {
  const outcome = anyUrl(text, context);
  if (!outcome.ok) return outcome;
  const { username, password, search, hash, pathname, origin } = new URL(text);
  if (username !== '' || password !== '') {
    return refuse({
      expected: 'a URL without credentials',
      advice: 'put them into OTEL_EXPORTER_OTLP_HEADERS, as authorization=...',
    });
  }
  if (search !== '' || hash !== '') return refuse({ expected: 'a URL without a query and "#"' });
  const path = pathname.replace(/\/+$/, '');
  if (path.endsWith('/v1/traces')) {
    return refuse({ expected: 'the base URL of the collector', advice: 'remove /v1/traces, which is added' });
  }
  return accept(`${origin}${path}`);
};

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const VALUE = /^[\x20-\x7e]{1,4096}$/;

/** `name=value`, comma separated, values percent-encoded: W3C Baggage, as the standard has it. */
export const otlpHeaders: Parse<Readonly<Record<string, string>>> = (text) => {
  const headers: Record<string, string> = {};
  for (const [index, entry] of text.split(',').entries()) {
    const at = entry.indexOf('=');
    const name = entry.slice(0, Math.max(at, 0)).trim();
    const value = decoded(entry.slice(at + 1).trim());
    if (!NAME.test(name) || value === null || !VALUE.test(value)) {
      const expected = `comma-separated entries name=value with values in percent-encoding; entry ${index + 1} is not`;
      return refuse({ expected, advice: 'write a comma as %2C, a % as %25' });
    }
    headers[name.toLowerCase()] = value;
  }
  return accept(headers);
};

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    // A % that encodes nothing.
    return null;
  }
}

/** A share from 0 to 1. */
export const ratio: Parse<number> = (text) => {
  const value = /^(?:0|1|0?\.\d{1,9}|[01]\.\d{1,9})$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return accept(value);
  return refuse({ expected: 'a number from 0 to 1 in decimal digits, such as 0.01' });
};
