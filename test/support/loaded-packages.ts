/**
 * Prints how many files of OpenTelemetry's SDK are loaded once a server runs without a collector, and then with one. Its
 * API does not count: prom-client loads that by itself, for exemplars.
 */
import { createRequire } from 'node:module';
import { openTracing } from '../../server/observability/tracing.ts';
import { startServer } from './server.ts';

const { cache } = createRequire(import.meta.url);

function tell(): void {
  const files = Object.keys(cache).filter((file) => /@opentelemetry[/\\](?!api[/\\])/.test(file));
  process.stdout.write(`${files.length}\n`);
}

const server = await startServer();
await fetch(`${server.url}/api/v1/openapi.json`);
tell();
const logger = { warn: () => undefined };
const config = { endpoint: 'http://127.0.0.1:9', headers: {}, serviceName: 'tandem', ratio: 1 };
await openTracing(config, { version: '0', instanceId: 'one', logger });
tell();
await server.stop();
process.exit(0);
