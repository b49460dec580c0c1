import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as the collector got it, with the values of its attributes. */
export interface CollectedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isFault: boolean;
  /** What the process says of itself. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** The kinds of OTLP. */
export const KINDS = { server: 2, client: 3, consumer: 5 } as const;

/** A collector that takes OTLP over HTTP, as JSON. */
export interface TraceCollector {
  readonly url: string;
  /** How it answers: takes the spans, refuses them with a status, or never says a word. */
  answer: 'takes' | 'silent' | number;
  readonly spans: readonly CollectedSpan[];
  /** All that came, as text, and the headers of the last export. */
  readonly payload: string;
  readonly headers: IncomingHttpHeaders;
  /** Exports so far, taken or not. */
  readonly exports: number;
  /** Resolves with what `find` finds, when that has arrived. */
  until<T>(find: (spans: readonly CollectedSpan[]) => T | undefined): Promise<T>;
  close(): Promise<void>;
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

interface Payload {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: {
      spans: (Omit<CollectedSpan, 'attributes' | 'resource' | 'isFault' | 'parentSpanId'> & {
        parentSpanId?: string;
        attributes: Attribute[];
        status?: { code?: number };
      })[];
    }[];
  }[];
}

const STATUS_ERROR = 2;

export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: CollectedSpan[] = [];
  const arrivals = new EventEmitter();
  let [payload, exports] = ['', 0];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      exports += 1;
      collector.headers = request.headers;
      arrivals.emit('export');
      if (collector.answer === 'silent') return;
      if (collector.answer !== 'takes' || request.url !== '/v1/traces') {
        response.writeHead(typeof collector.answer === 'number' ? collector.answer : 404).end();
        return;
      }
      const text = Buffer.concat(chunks).toString();
      payload += text;
      spans.push(...spansOf(JSON.parse(text) as Payload)); // What OTLP says of it is what is tested.
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      arrivals.emit('spans');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: 'takes' as TraceCollector['answer'],
    spans,
    headers: {} as IncomingHttpHeaders,
    get payload() {
      return payload;
    },
    get exports() {
      return exports;
    },
    until: async <T>(find: (spans: readonly CollectedSpan[]) => T | undefined): Promise<T> => {
      for (;;) {
        const found = find(spans);
        if (found !== undefined) return found;
        await once(arrivals, 'spans');
      }
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
  return collector;
}

function spansOf({ resourceSpans }: Payload): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map(({ attributes, status, ...span }) => ({
        ...span,
        parentSpanId: span.parentSpanId ?? '',
        attributes: valuesOf(attributes),
        isFault: status?.code === STATUS_ERROR,
        resource: valuesOf(resource.attributes),
      })),
    ),
  );
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
