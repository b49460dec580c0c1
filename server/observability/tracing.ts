import type { Tracing } from './span.ts';
import type { TracingConfig, TracingOptions } from './trace-export.ts';

/** Null when no collector is configured: then nothing of OpenTelemetry's SDK is loaded, and nobody has a span to end. */
export async function openTracing(config: TracingConfig | null, options: TracingOptions): Promise<Tracing | null> {
  if (config === null) return null;
  const { exportTraces } = await import('./trace-export.ts');
  return exportTraces(config, options);
}
