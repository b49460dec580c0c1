/** In which form a caller of `/metrics` wants them. */
export type MetricsFormat = 'text' | 'openmetrics' | 'json';

export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  json: 'application/json; charset=utf-8',
};

const FORMAT_OF_TYPE: ReadonlyMap<string, MetricsFormat> = new Map([
  ['application/openmetrics-text', 'openmetrics'],
  ['application/json', 'json'],
  ['text/plain', 'text'],
  ['text/*', 'text'],
  ['*/*', 'text'],
]);

/**
 * The format that an `Accept` header likes best, the first one on a tie; text when it names none of ours. Parameters
 * but `q` are passed over: Prometheus adds `version` and `escaping`, and one version of each is all there is.
 */
export function negotiateMetrics(accept: string | undefined): MetricsFormat {
  let best: MetricsFormat = 'text';
  let bestQuality = 0;
  for (const entry of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const format = FORMAT_OF_TYPE.get(type);
    const quality = qualityOf(parameters);
    if (format === undefined || quality <= bestQuality) continue;
    best = format;
    bestQuality = quality;
  }
  return best;
}

/**
 * Prometheus text as OpenMetrics 1.0. prom-client has a mode of its own for this, but it renames the counters for good
 * on the first such scrape, after which the plain text lacks their `_total`.
 */
export function toOpenMetrics(text: string): string {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# ')) lines.push(line.replace(/^(# (?:HELP|TYPE) \w+?)_total /, '$1 '));
    // Bounds of buckets are floats in their canonical form there: 1.0 and not 1.
    else lines.push(line.replace(/le="(\d+)"/, 'le="$1.0"'));
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

function qualityOf(parameters: string[]): number {
  const parameter = parameters.find((candidate) => candidate.startsWith('q='));
  if (parameter === undefined) return 1;
  const quality = Number(parameter.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}
