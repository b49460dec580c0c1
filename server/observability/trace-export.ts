/** The only file that knows OpenTelemetry; loaded when a collector is configured. */
import { SpanKind as Kinds, ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span as OpenSpan, Tracer } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.ts';
import type { Span, SpanFields, SpanKind, Tracing } from './span.ts';
import { TraceLoss } from './trace-loss.ts';
import { parseTraceParent, traceParentOf } from './trace-parent.ts';

export interface TracingConfig {
  /** Base URL of a collector that speaks OTLP over HTTP, without a slash at its end. */
  readonly endpoint: string;
  /** Sent with every export; secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Share of the traces that begin here which is recorded, 0 to 1. */
  readonly ratio: number;
}

export interface TracingOptions {
  readonly version: string;
  readonly instanceId: string;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Spans that may wait; more are dropped and counted. Some 3 MB. */
const MAX_WAITING = 4096;
const BATCH = 512;
const EVERY_MS = 2000;
/** One export with all of its retries; the next batch waits for it. */
const EXPORT_MS = 5000;
/** A stop waits no longer for the collector. */
const STOP_MS = 2000;

const KINDS = { server: Kinds.SERVER, client: Kinds.CLIENT, consumer: Kinds.CONSUMER } as const;

/** What leaves the process, and under which name: a field that is not listed here is dropped at runtime too. */
const NAMES: { readonly [Name in keyof Required<SpanFields>]: string } = {
  command: 'tandem.command',
  outcome: 'tandem.outcome',
  sessionId: 'tandem.session_id',
  method: 'http.request.method',
  route: 'http.route',
  status: 'http.response.status_code',
  operation: 'db.operation.name',
};
const FIELDS = Object.entries(NAMES) as [keyof SpanFields, string][]; // the keys of a constant are the names of its type

/** Outcomes that are a fault of the service and not of its caller. */
const FAULTS: ReadonlySet<string> = new Set(['INTERNAL', 'UNAVAILABLE']);

export function exportTraces(config: TracingConfig, { version, instanceId, logger }: TracingOptions): Tracing {
  const loss = new TraceLoss(logger);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': config.serviceName,
      'service.version': version,
      'service.instance.id': instanceId,
    }),
    // Decided in `begin`, before anything is made.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [boundedQueue(createExporter(config), loss)],
  });
  const tracer = provider.getTracer('tandem', version);
  let stopping: Promise<void> | null = null;
  return {
    begin: (kind, name, traceparent) => {
      const parent = traceparent === undefined ? null : parseTraceParent(traceparent);
      if (parent === null) {
        return Math.random() < config.ratio ? new ExportedSpan(tracer, kind, name, ROOT_CONTEXT) : null;
      }
      if (!parent.isSampled) return null;
      const { traceId, spanId } = parent;
      const remote = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
      return new ExportedSpan(tracer, kind, name, trace.setSpanContext(ROOT_CONTEXT, remote));
    },
    stop: () => (stopping ??= withinBound(provider.shutdown()).then(() => loss.tell())),
  };
}

class ExportedSpan implements Span {
  readonly #tracer: Tracer;
  readonly #span: OpenSpan;

  constructor(tracer: Tracer, kind: SpanKind, name: string, parent: Context, fields: SpanFields = {}) {
    this.#tracer = tracer;
    this.#span = tracer.startSpan(name, { kind: KINDS[kind], attributes: attributesOf(fields) }, parent);
  }

  get traceparent(): string {
    return traceParentOf(this.#span.spanContext());
  }

  child(kind: SpanKind, name: string, fields?: SpanFields): Span {
    return new ExportedSpan(this.#tracer, kind, name, trace.setSpan(ROOT_CONTEXT, this.#span), fields);
  }

  end(fields: SpanFields = {}, name?: string): void {
    const { outcome = '', status = 0 } = fields;
    if (name !== undefined) this.#span.updateName(name);
    this.#span.setAttributes(attributesOf(fields));
    if (FAULTS.has(outcome) || status >= 500) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }

  endWith(work: Promise<unknown>): void {
    work.then(
      () => this.end({ outcome: 'ok' }),
      () => this.end({ outcome: 'UNAVAILABLE' }),
    );
  }
}

function attributesOf(fields: SpanFields): Attributes {
  const attributes: Attributes = {};
  for (const [field, name] of FIELDS) {
    const value = fields[field];
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

function createExporter({ endpoint, headers }: TracingConfig): SpanExporter {
  return new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: EXPORT_MS,
    httpAgentOptions: { keepAlive: true },
  });
}

/**
 * The library's own batches, with the losses counted: by itself it tells nobody when spans no longer fit, and what an
 * export failed of goes to a handler that all of the process shares.
 */
function boundedQueue(exporter: SpanExporter, loss: TraceLoss): SpanProcessor {
  let waiting = 0;
  const counted: SpanExporter = {
    export: (spans, done) => {
      exporter.export(spans, ({ code, error }) => {
        waiting -= spans.length;
        if (code !== ExportResultCode.SUCCESS) loss.add(spans.length, reasonOf(error));
        done({ code: ExportResultCode.SUCCESS });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor(counted, {
    maxQueueSize: MAX_WAITING,
    maxExportBatchSize: BATCH,
    scheduledDelayMillis: EVERY_MS,
    // Beyond the time of the exporter, which therefore always answers first.
    exportTimeoutMillis: 2 * EXPORT_MS,
  });
  return {
    onStart: () => undefined,
    onEnd: (span) => {
      if (waiting >= MAX_WAITING) {
        loss.add(1, 'more spans than the collector takes');
        return;
      }
      waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

function reasonOf(error: (Error & { code?: unknown }) | undefined): string {
  if (error === undefined) return 'no reason given';
  // The status text and the body are the collector's, and may hold anything.
  if (typeof error.code === 'number') return `the collector answered ${error.code}`;
  return typeof error.code === 'string' ? error.code : error.message;
}

async function withinBound(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_MS);
  });
  // A collector that is away was told of already, and is no reason not to stop.
  await Promise.race([work.catch(() => undefined), bound]);
  clearTimeout(timer);
}
