/** What a trace is made of, for those who are traced: none of it knows how spans leave the process. */

export type SpanKind = 'server' | 'client' | 'consumer';

/** All that a span may carry. There is no field for a code, a body, a token, an address or a name. */
export interface SpanFields {
  command?: string | undefined;
  /** `ok`, or the code of the error. */
  outcome?: string | undefined;
  sessionId?: string | undefined;
  method?: string | undefined;
  /** The pattern of the route, never the URL. */
  route?: string | undefined;
  status?: number | undefined;
  /** What was asked of Redis. */
  operation?: string | undefined;
}

/** One part of a trace that is recorded. What is not recorded has no span: whoever holds one finds null there. */
export interface Span {
  /** Names this span to another process, as W3C Trace Context has it. */
  readonly traceparent: string;
  child(kind: SpanKind, name: string, fields?: SpanFields): Span;
  /** Only the first call counts. Never throws. */
  end(fields?: SpanFields, name?: string): void;
  /** Ends when the work does; its failure stays the business of whoever awaits it. */
  endWith(work: Promise<unknown>): void;
}

export interface Tracing {
  /**
   * Begins a span, under the `traceparent` of another process where that is a valid one; then its decision counts, else
   * the ratio. Null when this trace is not recorded.
   */
  begin(kind: SpanKind, name: string, traceparent?: unknown): Span | null;
  /** Sends what waits, for a bounded time. May be called twice. */
  stop(): Promise<void>;
}
